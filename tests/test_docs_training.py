"""The page on training lists every setting with its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tumorscope.training.config import Augmentation, Supervision, TrainingConfig
from tumorscope.training.distillation_config import Distillation

PAGE = Path(__file__).parents[1] / "docs" / "training.md"


def expected() -> list[tuple[str, str]]:
    own = [(name, field.default) for name, field in TrainingConfig.model_fields.items()]
    parts = [
        (f"{part}.{name}", field.default)
        for part, model in (
            ("augmentation", Augmentation),
            ("supervision", Supervision),
            ("distillation", Distillation),
        )
        for name, field in model.model_fields.items()
    ]
    nested = ("recipe", "augmentation", "supervision", "distillation")
    rows = [*((name, default) for name, default in own if name not in nested), *parts]
    return [
        (name, str(default).lower() if isinstance(default, bool) else str(default)) for name, default in rows
    ]


def test_every_setting_is_listed_with_its_default() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Settings")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([\w.]+)` \| `?([^|`]*)`? \| \S.* \|$", section, flags=re.MULTILINE)
    assert [(name, default.strip()) for name, default in listed] == expected()

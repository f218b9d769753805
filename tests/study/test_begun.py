"""What lies of a run below a study already, and what counts as another run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.study.begun import check_settings
from tumorscope.training.config import configure


def test_what_belongs_to_the_machine_makes_no_other_run(tmp_path: Path) -> None:
    begun = configure("light-cnn", ["threads=1"])
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(begun.model_dump()), encoding="utf-8")
    check_settings(tmp_path, configure("light-cnn", ["threads=2", "checkpoint_seconds=5"]))
    with pytest.raises(InvalidConfiguration, match=r"differs in epochs\)"):
        check_settings(tmp_path, configure("light-cnn", ["threads=2", "epochs=3"]))

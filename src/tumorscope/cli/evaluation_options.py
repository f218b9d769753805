"""What ``tumorscope evaluate`` may be asked for: the choices, what of them excludes each other, the command again.

Owns these rules and the file that the result goes to. Measures nothing.
"""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tumorscope.dataset.class_names import ClassNames

__all__ = [
    "Format",
    "PassName",
    "ProtocolName",
    "check_passes",
    "check_report",
    "command_line",
    "is_table",
    "target_file",
]


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


class ProtocolName(StrEnum):
    """The protocols offered, spelled here so that ``--help`` need not import NumPy."""

    OFFICIAL = "official"
    LEAK_FREE = "leak-free"
    PATIENT_WISE = "patient-wise"
    EXTERNAL = "external"
    SHIFTED = "shifted"

    @property
    def measures_a_run(self) -> bool:
        """Whether it is about the out-of-fold answers of a run, not about a bundle."""
        return self in {ProtocolName.PATIENT_WISE, ProtocolName.SHIFTED}


class PassName(StrEnum):
    """The slow passes, see :class:`tumorscope.assessment.passes.Pass`."""

    STRESS = "stress"
    SHORTCUT = "shortcut"
    EXPLANATION = "explanation"
    NOVELTY = "novelty"


def check_report(
    report: Path | None,
    out: Path | None,
    passes: list[PassName] | None,
    data: Path | None,
    foreign: Path | None,
) -> None:
    """What ``--report`` and ``--pass`` need beside them, and exclude."""
    from tumorscope.core.errors import InvalidConfiguration, MissingInput

    if report is not None and out is not None:
        raise InvalidConfiguration("--report DIR holds evaluation.json already; leave --out away")
    if passes and (report is None or data is None):
        raise InvalidConfiguration(
            "--pass asks the model about images and writes a report: give --data and --report"
        )
    if foreign is not None and PassName.NOVELTY not in (passes or []):
        raise InvalidConfiguration("--foreign gives images for the novelty; ask for it with --pass novelty")
    if foreign is not None and not foreign.is_dir():
        raise MissingInput(
            f"{foreign}: no such folder; --foreign takes a folder of images that are no brain MRI"
        )


def check_passes(model: Path | None, data: Path | None, names: ClassNames) -> None:
    """A pass asks a model, and compares what it says with labels."""
    from tumorscope.assessment.unlabelled import has_no_labels
    from tumorscope.core.errors import InvalidConfiguration

    if is_table(model):
        raise InvalidConfiguration(
            f"{model} is a table of answers and cannot be asked about changed images; leave --pass away"
        )
    if data is not None and has_no_labels(data, names):
        raise InvalidConfiguration(
            f"{data} has no labels, and --pass compares answers with them; leave it away"
        )


def is_table(model: Path | None) -> bool:
    """Whether the model is a table of answers, of whatever software."""
    from tumorscope.assessment.from_table import SUFFIX

    return model is not None and model.suffix.lower() == SUFFIX and not model.is_dir()


def command_line(
    protocol: ProtocolName,
    model: Path | None,
    data: Path | None,
    *,
    allow_leaks: bool,
    passes: list[PassName],
    foreign: Path | None,
    limit: int,
) -> str:
    """The command that makes the same figures again; where they are written is no part of it."""
    words = ["tumorscope", "evaluate"]
    if model is not None:
        words += ["--model", model.as_posix()]
    words += ["--protocol", protocol.value]
    if data is not None:
        words += ["--data", data.as_posix()]
    if allow_leaks:
        words.append("--allow-leaks")
    for name in passes:
        words += ["--pass", name.value]
    if foreign is not None:
        words += ["--foreign", foreign.as_posix()]
    if passes:
        words += ["--limit", str(limit)]
    return shlex.join(words)


def target_file(out: Path | None, run: Path | None) -> Path | None:
    """The file to write, checked before the work: what was asked for, else in the run's folder, else none."""
    from tumorscope.core.files import check_writable
    from tumorscope.evaluation.document import EVALUATION_NAME

    place = out or run
    if place is None:
        return None
    target = place if place.suffix == ".json" and not place.is_dir() else place / EVALUATION_NAME
    if out is not None:
        check_writable(target)
    return target

"""The options of ``tumorscope predict``.

Owns how they are written and what their help says. The standard library parses them: Typer, which serves the
other verbs, would take longer to import than an answer takes to make.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from tumorscope.cli.output import Format
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.inference.classifier import DEFAULT_BATCH_SIZE
from tumorscope.inference.session import Device

__all__ = ["Options", "parse"]

_Choice = TypeVar("_Choice", Format, Device)

_DESCRIPTION = """\
Say what slices, volumes, folders or archives show.

A volume or DICOM series gives an answer for every slice and one for the series
(experimental: the mean over the best three neighbouring slices)."""

_EPILOG = """\
Exit status: 0 when everything was answered, 1 when some inputs failed (the others
are answered, the failed ones listed), 2 when nothing could be answered or an option
is wrong.

Examples:
  tumorscope predict scan.png
  tumorscope predict study/ --heatmaps pictures/
  tumorscope predict "images/*.jpg" --output answers.csv
  tumorscope predict head.nii.gz --format jsonl | jq .diagnosis
  cat scan.png | tumorscope predict - --format json

Research software, not a medical device: not for diagnosis or treatment decisions."""


@dataclass(frozen=True)
class Options:
    """What the user asked for; see the help of each option in :func:`parse`."""

    paths: tuple[str, ...]
    model: Path | None
    form: Format | None
    output: Path | None
    heatmaps: Path | None
    coverage: str | None
    batch_size: int
    threads: int | None
    device: Device


def parse(arguments: Sequence[str]) -> Options:
    """Parse what follows ``tumorscope predict``.

    Raises
    ------
    InvalidConfiguration
        If an option is unknown or wrong, or nothing is named.
    SystemExit
        With status 0 after ``--help``.
    """
    values = vars(_parser().parse_intermixed_args(list(arguments)))
    return Options(**(values | {"paths": tuple(values["paths"])}))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidConfiguration(f"{message}; see '{self.prog} --help'")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tumorscope predict",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "paths",
        nargs="+",
        metavar="PATH",
        help="images, DICOM, NIfTI or .mat files, zip archives, folders, patterns, or - for one on standard input",
    )
    add(
        "--model",
        type=Path,
        metavar="BUNDLE",
        help="a bundle (.onnx); the one that ships with tumorscope if left out",
    )
    add(
        "--format",
        dest="form",
        type=_choice(Format),
        metavar="|".join(Format),
        help="how to write answers; what --output ends with, or a table, if left out",
    )
    add("--output", type=Path, metavar="FILE", help="file for the answers, written whole or not at all")
    add(
        "--heatmaps",
        type=Path,
        metavar="DIR",
        help="folder for one picture a slice that shows where the evidence lies",
    )
    add(
        "--coverage",
        metavar="SHARE",
        help="how often prediction sets hold the truth, such as 0.95; the bundle's choice if left out",
    )
    add(
        "--batch-size",
        type=_whole,
        metavar="N",
        default=DEFAULT_BATCH_SIZE,
        help="slices in one run, %(default)s if left out: speed and memory, never another answer",
    )
    add("--threads", type=_whole, metavar="N", help="processor threads; all there are if left out")
    add(
        "--device",
        type=_choice(Device),
        metavar="|".join(Device),
        default=Device.CPU,
        help="where to compute, %(default)s if left out; auto takes CUDA where there is one",
    )
    return parser


def _choice(kind: type[_Choice]) -> Callable[[str], _Choice]:
    def parse_choice(text: str) -> _Choice:
        if text not in tuple(kind):
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(kind)}")
        return kind(text)

    return parse_choice


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)

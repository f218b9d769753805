"""A bundle as a file: where the shipped one lies, its bytes, and the few facts that an answer needs.

Owns the way from a path to verified bytes. The bundle that ships with the package is recognised by the
SHA-256 recorded beside it, which costs milliseconds; any other file goes through
:mod:`tumorscope.inference.verify`. Knows nothing of ONNX Runtime, and imports no pydantic: both take time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tumorscope
from tumorscope.core.errors import InvalidBundle, InvalidConfiguration, MissingInput

__all__ = [
    "CARD_KEY",
    "INPUT",
    "MAX_BUNDLE_BYTES",
    "OUTPUTS",
    "SHIPPED_BUNDLE",
    "BundleBytes",
    "BundleFacts",
    "read_bundle",
    "read_card",
    "shipped_path",
]

CARD_KEY = "tumorscope.card"  # as in core/card.py, which would bring in pydantic
INPUT = "image"
OUTPUTS = ("logits", "probabilities", "heatmap", "embedding", "novelty")
SHIPPED_BUNDLE = "efficientnet-lite2-closer.onnx"
MAX_BUNDLE_BYTES = 1024**3
"""Largest bundle that is opened; VGG-16 with its fully connected layers takes half of it."""


@dataclass(frozen=True, slots=True, repr=False)
class BundleBytes:
    """The content of a bundle that passed its checks.

    Parameters
    ----------
    content
        The whole file. The session is made from these bytes, never from the path again, so that what was
        checked is what runs, and no reference to another file can be followed.
    name
        What to call it in messages.
    shipped
        Whether it is, byte for byte, the bundle that the package was released with.
    """

    content: bytes
    name: str
    shipped: bool


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What an answer needs of the card, and no more.

    Parameters
    ----------
    name, version
        Of the bundle.
    input_size
        Side of the network's input in pixels.
    conformal
        Four quantiles in class order by coverage, see :class:`~tumorscope.core.card.Thresholds`.
    default_coverage
        The key of ``conformal`` that is used unless another is asked for.
    novelty_limit
        A slice above it is rejected.
    """

    name: str
    version: str
    input_size: int
    conformal: Mapping[str, tuple[float, ...]]
    default_coverage: str
    novelty_limit: float

    @classmethod
    def from_json(cls, card: str) -> BundleFacts:
        """Take the facts from a card that is known to be valid.

        Parameters
        ----------
        card
            The JSON document of a :class:`~tumorscope.core.card.ModelCard`. Validating it with pydantic would
            cost a third of the start-up time, and the caller has done so where the bundle is a stranger.
        """
        document: dict[str, Any] = json.loads(card)
        thresholds: dict[str, Any] = document["thresholds"]
        return cls(
            name=document["name"],
            version=document["version"],
            input_size=document["input_size"],
            conformal={key: tuple(quantiles) for key, quantiles in thresholds["conformal"].items()},
            default_coverage=thresholds.get("default_coverage", "0.95"),
            novelty_limit=thresholds["novelty_limit"],
        )

    @property
    def label(self) -> str:
        """Name and version, as answers quote them."""
        return f"{self.name} {self.version}"

    def coverage_key(self, coverage: float | str | None) -> str:
        """Find the coverage in the card.

        Parameters
        ----------
        coverage
            ``0.95`` or ``"0.95"``; the card's default for ``None``.

        Raises
        ------
        InvalidConfiguration
            If the bundle was not calibrated for it; the message lists the coverages there are.
        """
        if coverage is None:
            return self.default_coverage
        for key in self.conformal:
            if key == coverage or (_is_number(coverage) and float(key) == float(coverage)):
                return key
        raise InvalidConfiguration(
            f"coverage {coverage!s} is not among those that bundle {self.label} was calibrated for; "
            f"choose one of {', '.join(self.conformal)}"
        )


def shipped_path() -> Path:
    """Where the bundle of the package lies, whether or not it is there."""
    # Not importlib.resources, which takes 10 ms to import: ONNX Runtime could not read from a zipped package anyway.
    return Path(tumorscope.__path__[0]) / "bundles" / SHIPPED_BUNDLE


def read_bundle(model: str | os.PathLike[str] | None = None) -> BundleBytes:
    """Read a bundle and make sure that it is one.

    Parameters
    ----------
    model
        A ``.onnx`` file; the shipped bundle for ``None``.

    Raises
    ------
    MissingInput
        If the file does not exist or may not be read.
    InvalidBundle
        If it is not a bundle, breaks a promise of the format, or asks for what a bundle may not do.
    """
    if model is None:
        return _read_shipped()
    path = Path(model)
    content = _read(path)
    if content == b"":
        raise InvalidBundle(f"{path}: the file is empty; give a Tumorscope bundle (.onnx)")
    from tumorscope.inference.verify import verify

    verify(content, os.fspath(path))
    return BundleBytes(content, os.fspath(path), shipped=False)


def read_card(model: str | os.PathLike[str] | None = None) -> str:
    """Read the card of a bundle as JSON; no session is made. As :func:`read_bundle` otherwise."""
    from tumorscope.inference.verify import card_json

    bundle = read_bundle(model)
    return card_json(bundle.content, bundle.name)


def _read_shipped() -> BundleBytes:
    path = shipped_path()
    if not path.is_file():
        raise InvalidBundle(
            f"this installation has no bundle of its own ({SHIPPED_BUNDLE} is missing from the package); "
            "name one with --model or load(model=...), or reinstall tumorscope"
        )
    content = _read(path)
    recorded = path.with_suffix(".sha256")
    if not recorded.is_file():
        from tumorscope.inference.verify import verify

        verify(content, path.name)
        return BundleBytes(content, path.name, shipped=False)
    if hashlib.sha256(content).hexdigest() != recorded.read_text(encoding="ascii").split()[0]:
        raise InvalidBundle(
            f"the shipped bundle {path.name} is not the one this version was released with: "
            "its SHA-256 differs from the recorded one; reinstall tumorscope"
        )
    return BundleBytes(content, path.name, shipped=True)


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InvalidBundle(f"{path}: this is a folder; give the .onnx file itself")
        size = path.stat().st_size
        if size > MAX_BUNDLE_BYTES:
            raise InvalidBundle(
                f"{path}: {size >> 20} MiB is more than a bundle may have ({MAX_BUNDLE_BYTES >> 20} MiB)"
            )
        with path.open("rb") as stream:
            return stream.read(MAX_BUNDLE_BYTES)
    except FileNotFoundError as error:
        raise MissingInput(f"{path}: no such file; name a Tumorscope bundle (.onnx)") from error
    except PermissionError as error:
        raise MissingInput(f"{path}: permission denied; make the bundle readable for this user") from error
    except OSError as error:
        raise InvalidBundle(f"{path}: the file could not be read ({error.strerror})") from error


def _is_number(value: float | str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True

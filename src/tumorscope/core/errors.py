"""Every error Tumorscope raises on purpose.

Owns the hierarchy and the machine-readable ``code`` of each leaf. Knows nothing of where an error is shown:
the command line, the Python API and a server turn the same exception into their own shape.

A message says what was received, what is accepted and what to do. It never carries patient identity.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "DiskFull",
    "DivergedTraining",
    "DownloadFailed",
    "EmptyInput",
    "InvalidBundle",
    "InvalidConfiguration",
    "InvalidManifest",
    "LeakySplit",
    "MissingDependency",
    "MissingInput",
    "OutOfMemory",
    "ParityError",
    "ProcessLost",
    "TrainedOnError",
    "TumorscopeError",
    "UnreadableImage",
    "UnsupportedImage",
    "WeightsUnavailable",
]


class TumorscopeError(Exception):
    """Base of every deliberate error; ``code`` is stable and meant for programs."""

    code: ClassVar[str] = "error"


class MissingInput(TumorscopeError, FileNotFoundError):
    """A path that was named does not exist or may not be read."""

    code = "missing-input"

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class EmptyInput(TumorscopeError, ValueError):
    """A folder or archive holds nothing that can be read, or a file holds no bytes."""

    code = "empty-input"


class UnreadableImage(TumorscopeError, ValueError):
    """The file claims a format it does not honour: truncated, corrupted, or a bomb."""

    code = "unreadable-image"


class UnsupportedImage(TumorscopeError, ValueError):
    """The file is sound but is not a grayscale MRI slice: CT, colour, 4-D, no pixels, constant."""

    code = "unsupported-image"


class InvalidBundle(TumorscopeError, ValueError):
    """A file given as model is not a Tumorscope bundle, or asks for what a bundle may not do."""

    code = "invalid-bundle"


class InvalidManifest(TumorscopeError, ValueError):
    """A manifest or folder of images cannot be used as a data set."""

    code = "invalid-manifest"


class LeakySplit(InvalidManifest):
    """A patient, group, slice, file or picture lies on two sides of a split."""

    code = "leaky-split"


class InvalidConfiguration(TumorscopeError, ValueError):
    """An option or a configuration value is unknown, mistyped or out of range."""

    code = "invalid-configuration"


class MissingDependency(TumorscopeError, ImportError):
    """An optional extra is not installed; the message names the command that installs it."""

    code = "missing-dependency"


class WeightsUnavailable(TumorscopeError, RuntimeError):
    """Initial weights could not be had; the message lists the other ways to get them."""

    code = "weights-unavailable"


class DownloadFailed(TumorscopeError, RuntimeError):
    """A public data set could not be downloaded whole; the message lists the other ways to get it."""

    code = "download-failed"


class DivergedTraining(TumorscopeError, ArithmeticError):
    """The loss, the weights or the answers of a training are numbers that are not finite."""

    code = "diverged"


class OutOfMemory(TumorscopeError, MemoryError):
    """Memory of the processor or the GPU does not suffice; the message offers what needs less."""

    code = "out-of-memory"


class DiskFull(TumorscopeError, OSError):
    """A file could not be written for want of room; what was there before is untouched."""

    code = "disk-full"


class ParityError(TumorscopeError, RuntimeError):
    """The exported graph does not give the answers of the trained network."""

    code = "parity"


class ProcessLost(TumorscopeError, RuntimeError):
    """One of several processes that worked together is gone; the message says how to go on."""

    code = "process-lost"


class TrainedOnError(TumorscopeError, ValueError):
    """Images given for an evaluation were used to train the model under test."""

    code = "trained-on"

"""Third-party warnings about a user's file, kept out of the user's terminal.

Owns the one context manager that silences them, and its reason: decoding libraries warn about odd metadata
(broken EXIF, non-standard DICOM values) that has no bearing on the pixels and whose text may quote a header,
so that it could carry patient identity. A fault that matters is an exception, and that is never silenced.

``warnings.catch_warnings`` changes process-wide state, so it is entered only around a call into such a
library, never on the common path of a plain JPEG or PNG.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["third_party_quiet"]


@contextmanager
def third_party_quiet() -> Iterator[None]:
    """Ignore warnings inside the block, whatever filters the caller has set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

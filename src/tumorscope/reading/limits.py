"""How large an input may claim to be, and the words for one that claims more.

Owns the limits that keep a small malicious file from taking the machine's memory. Every reader checks a
header against them before it decodes anything. Knows no format.
"""

from __future__ import annotations

from tumorscope.core.errors import UnreadableImage

__all__ = ["MAX_FILE_BYTES", "MAX_PIXELS", "MAX_VOLUME_BYTES", "check_pixels"]

MAX_PIXELS = 100_000_000
"""Largest single image, in pixels (10,000 x 10,000)."""

MAX_VOLUME_BYTES = 512 * 1024**2
"""Largest volume, in bytes (512 x 512 x 512 at 32 bits)."""

MAX_FILE_BYTES = 2 * 1024**3
"""Largest file or archive member that is read into memory, in bytes."""


def check_pixels(name: str, width: int, height: int) -> None:
    """Refuse an image by the size its header claims.

    Parameters
    ----------
    name
        The file as the user named it, for the message.
    width, height
        Claimed size in pixels.

    Raises
    ------
    UnreadableImage
        If either is not positive or their product is above :data:`MAX_PIXELS`.
    """
    if width < 1 or height < 1:
        raise UnreadableImage(
            f"{name}: the header claims {width} x {height} pixels; at least 1 x 1 are needed"
        )
    if width * height > MAX_PIXELS:
        raise UnreadableImage(
            f"{name}: the header claims {width} x {height} pixels; at most {MAX_PIXELS // 10**6} million are "
            "read, so that a small file cannot take all memory. Resize the image"
        )

"""One readable unit: a file or an archive member that holds slices, or that should have.

Owns :class:`Source`. It carries names, not open files or pixels, so that a million of them fit in memory and
any of them can be sent to another process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tumorscope.core.errors import MissingInput, TumorscopeError
from tumorscope.core.slice import Slice
from tumorscope.reading.archive import Archive
from tumorscope.reading.registry import DICOM, Format

__all__ = ["Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was found; :func:`tumorscope.reading.discover.discover` makes them.

    Parameters
    ----------
    path
        As the user named it; ``archive.zip!member`` inside an archive.
    series
        Opaque key of the DICOM series it belongs to, where that has several files; sources of one series
        follow each other along the slice normal, and their slices carry the key as :attr:`Origin.series`.
    format
        What the file is; ``None`` where that is unknown.
    place
        The file on the disk, or the archive that holds it.
    member
        Its name in the archive.
    salt
        What the series key is salted with.
    error
        Why it cannot be read, where that is known already.
    """

    path: str
    series: str | None = None
    format: Format | None = field(default=None, repr=False)
    place: Path | Archive | None = field(default=None, repr=False)
    member: str = field(default="", repr=False)
    salt: str | None = field(default=None, repr=False)
    error: TumorscopeError | None = field(default=None, repr=False)

    def open(self) -> Iterator[Slice]:
        """Read the slices lazily.

        Yields
        ------
        Slice
            One for a still image, more for a volume or multi-frame file, none for a blank file of a series.

        Raises
        ------
        TumorscopeError
            When the file is missing, unreadable or of another kind: with the first slice, for a multi-frame
            file possibly later.
        """
        if self.error is not None:
            raise self.error
        if self.format is None:
            raise MissingInput(f"{self.path}: nothing to read")
        if self.format == DICOM:
            from tumorscope.reading.dicom import read_dicom

            in_series = self.series is not None
            yield from read_dicom(self.content(), self.path, salt=self.salt, in_series=in_series)
        else:
            yield from self.format.read(self.content(), self.path)

    def content(self) -> bytes | Path:
        """What a reader takes: the file, or the bytes of the archive member."""
        if isinstance(self.place, Archive):
            return self.place.read(self.member)
        return self.place if self.place is not None else Path(self.path)

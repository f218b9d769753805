"""The files that the rows of a manifest name, and no others.

Owns the rule that a path may not leave its folder, by its name or by a link, nor occur twice. Reads no file.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

from tumorscope.core.errors import InvalidManifest

__all__ = ["RowPaths", "relative_root", "shown"]

# Functions of os.path rather than methods of Path: they also answer for names that no disk can hold.
_SHOWN = 60


def shown(text: str) -> str:
    """A text for a message, its middle left out where it is very long."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}...{text[-_SHOWN // 2 :]}"


def relative_root(root: Path, folder: Path) -> str:
    """How a manifest in ``folder`` names the folder of its images: two neighbours may then be moved together.

    Parameters
    ----------
    root, folder
        Absolute, without ``..``.

    Returns
    -------
    str
        ``..`` or ``../NAME...`` where the root is the folder above the manifest's or lies below that one; its
        absolute path where they have less in common than that, or a link makes the short way lead elsewhere.
    """
    above = folder.parent
    if above == above.parent or not root.is_relative_to(above):  # neighbours at the top of a disk move alone
        return os.fspath(root)
    relative = PurePosixPath("..", root.relative_to(above).as_posix())
    return relative.as_posix() if _same_place(folder / relative, root) else os.fspath(root)


class RowPaths:
    """Cells of ``path`` and ``root`` to files, row after row.

    Parameters
    ----------
    folder
        That of the manifest.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._roots: dict[str, Path] = {}
        self._real_folders: dict[str, str] = {}
        self._places: dict[Path, str] = {}

    @property
    def roots(self) -> list[Path]:
        """The folders that paths so far were relative to."""
        return list(dict.fromkeys(self._roots.values()))

    def file(self, path_cell: str, root_cell: str, where: str) -> Path:
        """The file of one row; it need not exist.

        Parameters
        ----------
        path_cell
            Relative to the root; with slashes or backslashes.
        root_cell
            A folder, relative to that of the manifest or absolute; empty for that of the manifest.
        where
            What to call the row in the message.

        Raises
        ------
        InvalidManifest
            If the path is empty, leaves its root, or stood in a row before.
        """
        if not path_cell.strip():
            raise InvalidManifest(f"{where}: path is empty; the file of the image is needed")
        if _leaves_by_name(path_cell) or "\0" in root_cell:
            raise InvalidManifest(
                f"{where}: path {shown(path_cell)!r} leaves the folder of the manifest; paths are relative to that "
                "folder, without '..'"
            )
        root = self._roots.get(root_cell)
        if root is None:
            root = self._roots[root_cell] = _tidy(self._folder / root_cell.strip())
        path = _below(root, path_cell)
        if self._leaves_by_link(root, path):
            raise InvalidManifest(
                f"{where}: path {shown(path_cell)!r} is a link that leaves the folder of the manifest; "
                "put the file itself there"
            )
        before = self._places.setdefault(path, where)
        if before is not where:
            raise InvalidManifest(
                f"{where}: path {shown(path_cell)!r} is named before, at {before}; an image needs one row"
            )
        return path

    def _leaves_by_link(self, root: Path, path: Path) -> bool:
        """Whether links lead out of the root; folders are looked up once."""
        inside = self._real_folder(os.fspath(root))
        # A file that is no link lies where its folder lies.
        place = os.path.realpath if os.path.islink(path) else self._real_parent  # noqa: PTH114
        real = place(os.fspath(path))
        return real != inside and not real.startswith(os.path.join(inside, ""))  # noqa: PTH118

    def _real_parent(self, path: str) -> str:
        return self._real_folder(os.path.dirname(path))  # noqa: PTH120

    def _real_folder(self, folder: str) -> str:
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        return self._real_folders[folder]


def _tidy(folder: Path) -> Path:
    """The folder without ``..`` in its name, unless a link makes it another one."""
    plain = Path(os.path.normpath(folder))
    return plain if _same_place(plain, folder) else folder


def _same_place(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _leaves_by_name(text: str) -> bool:
    """Whether a path leads out of the folder that it is relative to, on any operating system."""
    tidy = text.strip().replace("\\", "/")
    has_drive = ":" in tidy and bool(PureWindowsPath(tidy).drive)
    return tidy.startswith("/") or has_drive or "\0" in text or ".." in PurePosixPath(tidy).parts


def _below(root: Path, text: str) -> Path:
    """The file that a cell names: as it stands there, or without spaces round it and by either slash."""
    tidy = text.strip().replace("\\", "/")
    if tidy != text and os.path.isfile(root / text):  # noqa: PTH113
        return root / text
    return root / tidy

"""Which version of the Kaggle set a folder or manifest holds.

Owns the counts and landmarks of the two versions, and the refusal to mix them. The 7,023 images (Kaggle's version 1)
are known by their counts and by the content of 5,314 of their files (:mod:`.known_files`), so whole or in part. Of the
7,200 images (Kaggle's version 2, since February 2026) no hash is known to this project: they are recognised whole, by
their counts alone; a part of them, or a copy with images added, is not. A file under a landmark's name with another
content means that the folder is not the first version, whatever else it holds. Of a part of the first version only
the files that are known carry its stamp: what else lies beside them may be anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tumorscope.core.errors import InvalidManifest
from tumorscope.dataset.manifest import Manifest, OfficialSplit
from tumorscope.dataset.sources.catalogue import SOURCES, SourceName
from tumorscope.dataset.sources.known_files import KNOWN_IMAGES, is_known

__all__ = ["VERSIONS", "Stamped", "Version", "recognise", "refuse_mixed", "stamp"]


@dataclass(frozen=True, slots=True)
class Version:
    """A published version of a data set.

    Parameters
    ----------
    data_set
        Its name.
    training, testing
        Images of the two sides of its own split.
    release
        Its number on Kaggle.
    landmarks
        File SHA-256 by the path below the set's folder, of files that another set may hold other images under;
        empty where no hash is known.
    """

    data_set: str
    training: int
    testing: int
    release: int
    landmarks: Mapping[str, str]

    @property
    def images(self) -> int:
        """How many images it has."""
        return self.training + self.testing

    @property
    def stamp(self) -> str:
        """What the manifest's column ``dataset`` says."""
        return f"{self.data_set}@{self.images}"


# Three of each class and side, spread over the numbering; all of them are files that occur once in the set.
_LANDMARKS_7023 = {
    "Training/pituitary/Tr-pi_0187.jpg": "93d6fc0863ca5409c241367b0285c5c5d5f7f5e2dd96ffe4d69ad2cd74414b4e",
    "Training/pituitary/Tr-pi_0738.jpg": "bd2e33ff80b87f138376b082bf11ca8d8ea36d9cb1475881d40f2601b7751809",
    "Training/pituitary/Tr-pi_1290.jpg": "d67d2c2e09101718fd97092fb04dbc658f3b25ed9970558fb09e768199e2322a",
    "Training/notumor/Tr-no_0378.jpg": "34d31c7dfbb142895581bf14a93b3875e4e6b08325bbe3cb0915a31d0df04ff7",
    "Training/notumor/Tr-no_0840.jpg": "6288f6902aa4859c9e38bd5e8189ae591d8465a20e576fe0af11c384ed41ce99",
    "Training/notumor/Tr-no_1428.jpg": "f4a1d4c3d0a9c1b373be1c073d86138dd2c4fbda191a030000a9eee81fbcd3b0",
    "Training/meningioma/Tr-me_0182.jpg": "6ad9d32cdae2045bb1b09e49987220483033847ecd38c2a369a63bf4fab0194c",
    "Training/meningioma/Tr-me_0673.jpg": "f3b9af5fec814d40bd619137190aabaeef40766fdd4cb732aa8589f39e622d59",
    "Training/meningioma/Tr-me_1186.jpg": "d886c9df6e7dd3205cd82ec24e3445daa63ee70f6509fd84cce21f1232776176",
    "Training/glioma/Tr-gl_0150.jpg": "529b71783a1ed30fc10fe95bb7270eb9d99eec04cd120e49aba2470ebb1c9e8c",
    "Training/glioma/Tr-gl_0676.jpg": "f913107f0dae60b2d4c2fddb4a3521e82535e294a8d8b1c723ef7bf95d91bc88",
    "Training/glioma/Tr-gl_1159.jpg": "870d5efc748df32ebd0f2985346706a322c36a2aa28f3723438df3b838f9e6a3",
    "Testing/pituitary/Te-pi_0034.jpg": "e91fc2755bfe4f2b1d0e1d5b5db5a5bcd25199a11ff2454bd31386566f75a95a",
    "Testing/pituitary/Te-pi_0159.jpg": "0cc81d1c6acf5ca19e5af705ff2a5aaf5dc41356b19b0b294f9d8a4d5acfa299",
    "Testing/pituitary/Te-pi_0265.jpg": "5b15d94d8e5cfe8cb0b729a4872f1579d3e261f6f602fd314df860c83ec12f81",
    "Testing/notumor/Te-no_0139.jpg": "54bc1822f067fdad09d6f0ba40d84e1c9c3ba3bbc89debc1aac6589dfe515b3c",
    "Testing/notumor/Te-no_0253.jpg": "2257551885c49ea89de39796426612e72afc4b8dfbae41de3b48b7d6172d355c",
    "Testing/notumor/Te-no_0365.jpg": "2cb17e0b64010e0dbe87f9509c1901b37bd685025f77e6a7de68e848824b63ac",
    "Testing/meningioma/Te-me_0033.jpg": "b1836f483d7ab83307c909363656cb6aa3ab4b707343d4f5bafdc5f45890935e",
    "Testing/meningioma/Te-me_0148.jpg": "110f8ce6a8b3a8c519b4db31afff2ccb6e6aefd4db6e9de5d1056c9b0840578a",
    "Testing/meningioma/Te-me_0270.jpg": "6dadec31ce93db43fdecc51dc0290ab6b8fe4fb1672e02fc045971129c3aad5e",
    "Testing/glioma/Te-gl_0034.jpg": "1b3346358d6b031bb4f685cf40826246e02487627ffdceb23091274333cd4e2e",
    "Testing/glioma/Te-gl_0164.jpg": "6c42357b440b4c9c6efce9f0aa110eed212265e1a587138b39d3815bfbba169a",
    "Testing/glioma/Te-gl_0263.jpg": "a5450c3f40272842ada55af84b4f4cb4bf5078bf670d0f698e692a21fa5137f4",
}
_NAME = SOURCES[SourceName.KAGGLE].data_set
_FIRST = Version(_NAME, 5712, 1311, 1, _LANDMARKS_7023)
_SECOND = Version(_NAME, 5600, 1600, 2, {})
VERSIONS = (_FIRST, _SECOND)
_ENOUGH = 3  # known files that say anything; one alone may have been taken over into another set
_SHARE = 0.5  # of a set's files, or of all known ones; of an honest part about three quarters are known


@dataclass(frozen=True, slots=True)
class Stamped:
    """A manifest with what was recognised.

    Parameters
    ----------
    manifest
        Those of its rows that are of the version carry its stamp.
    version
        What was recognised; ``None`` where nothing was, and the rows are as they came.
    is_complete
        Whether as many files carry the stamp as the version has.
    different, copies
        How many different files carry the stamp, and how many more have the same bytes as one of those.
    taken_over
        Files of the first version among images that were not recognised as one.
    """

    manifest: Manifest
    version: Version | None
    is_complete: bool = False
    different: int = 0
    copies: int = 0
    taken_over: int = 0

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.version is None and self.taken_over:
            return (
                f"{self.taken_over:,} of {len(self.manifest):,} files are those of {_FIRST.stamp}, but as a whole "
                "this is no version that is known"
            )
        if self.version is None:
            return "no known version of a public data set was recognised"
        found = f"recognised as {self.version.stamp}"
        others = len(self.manifest) - self.different - self.copies
        beside = f", beside {_counted(others, 'other file', 'other files')}" if others else ""
        if self.is_complete:
            return f"{found}, complete{beside}"
        copied = f" and {_counted(self.copies, 'byte copy', 'byte copies')} of them" if self.copies else ""
        return (
            f"{found}, incomplete: {self.different:,} different files of its {self.version.images:,}{copied} are "
            f"here{beside}"
        )


def recognise(manifest: Manifest) -> Version | None:
    """Name the version of the Kaggle set that a manifest holds, whole or in part.

    Parameters
    ----------
    manifest
        Rows with the hash of their file; stamps that they carry are believed.

    Raises
    ------
    InvalidManifest
        If it holds two versions, or one mixed with other images between the same ``Training`` and ``Testing``.
    """
    return stamp(manifest).version


def stamp(manifest: Manifest) -> Stamped:
    """Write the recognised version into the rows; raises as :func:`recognise`.

    Parameters
    ----------
    manifest
        Rows with the hash of their file. Rows that carry a stamp keep it; of the others, those that lie between the
        same ``Training`` and ``Testing`` are recognised together. All of a whole set are stamped; of a part of the
        first version those that are known by their content.
    """
    refuse_mixed(manifest)
    stamps = [row.dataset for row in manifest]
    taken_over = 0
    for rows in _by_set(manifest):
        part = manifest.subset(rows)
        known = [is_known(row.sha256) for row in part]
        held = sum(known)
        found = _recognise_set(part, held)
        if found is None and held >= _ENOUGH:
            taken_over += held
        if found is not None:
            whole = len(rows) == found.images
            for row, here in zip(rows, known, strict=True):
                stamps[row] = found.stamp if whole or here else None
    made = tuple(replace(row, dataset=name) for row, name in zip(manifest, stamps, strict=True))
    stamped = Manifest(made, manifest.root)
    refuse_mixed(stamped)
    version = next((version for version in VERSIONS if version.stamp in stamps), None)
    if version is None:
        return Stamped(stamped, None, taken_over=taken_over)
    hashes = [row.sha256 for row in stamped if row.dataset == version.stamp]
    different = len(set(hashes))
    return Stamped(
        stamped, version, len(hashes) >= version.images, different, len(hashes) - different, taken_over
    )


def refuse_mixed(manifest: Manifest) -> None:
    """Make sure that the stamps of a manifest name one version of the Kaggle set at most.

    Raises
    ------
    InvalidManifest
        If they name two.
    """
    named = {row.dataset for row in manifest}
    found = [version.stamp for version in VERSIONS if version.stamp in named]
    if len(found) > 1:
        raise InvalidManifest(
            f"the images are of two versions of one data set: {', '.join(found)}; they share slices under other "
            "names, use one of them"
        )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _by_set(manifest: Manifest) -> list[list[int]]:
    """Positions of the rows without a stamp, by the folder that holds their Training and Testing."""
    sets: dict[tuple[bool, str], list[int]] = {}
    for position, row in enumerate(manifest):
        if row.dataset is not None:
            continue
        parts = manifest.display_path(row).split("/")
        side = row.official_split.value if row.official_split else None
        above = "/".join(parts[: parts.index(side)]) if side in parts else ""
        sets.setdefault((side is not None, above), []).append(position)
    return list(sets.values())


def _recognise_set(rows: Manifest, held: int) -> Version | None:
    """Name the version of images that lie together; ``held`` of their files are known ones."""
    sides = Counter(row.official_split for row in rows)
    counts = (sides[OfficialSplit.TRAINING], sides[OfficialSplit.TESTING])
    if counts == (_SECOND.training, _SECOND.testing):
        return _SECOND
    by_place = {"/".join(row.path.parts[-3:]): row.sha256 for row in rows}
    contradicted = any(by_place.get(place, sha256) != sha256 for place, sha256 in _FIRST.landmarks.items())
    if held < _ENOUGH or held < _SHARE * min(len(rows), KNOWN_IMAGES) or contradicted:
        return None
    if counts[0] > _FIRST.training or counts[1] > _FIRST.testing:
        raise InvalidManifest(
            f"{counts[0]:,} Training and {counts[1]:,} Testing images lie together, among them those of "
            f"{_FIRST.stamp}, which has {_FIRST.training:,} and {_FIRST.testing:,}: another version or other images "
            "were mixed in; give each set a folder of its own and put them together with 'tumorscope data join'"
        )
    return _FIRST if len(rows) <= _FIRST.images else None

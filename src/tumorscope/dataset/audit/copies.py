"""The checks for exact and near copies.

Owns what a pair of images means for a data set. The pairs are found in :mod:`tumorscope.dataset.copies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tumorscope.dataset.audit.document import Check, Pair, Verdict
from tumorscope.dataset.audit.sides import SPLITS, sides
from tumorscope.dataset.audit.words import counted, listed
from tumorscope.dataset.copies.pair import CopyKind, CopyPair
from tumorscope.dataset.manifest import Manifest

__all__ = ["copy_checks", "described"]

_SCORE_DIGITS = 4


def described(manifest: Manifest, pairs: Sequence[CopyPair]) -> tuple[Pair, ...]:
    """Pairs by path instead of position, with what the manifest says of both images.

    Parameters
    ----------
    manifest
        The images that the positions speak of.
    pairs
        What the search found.

    Returns
    -------
    tuple of Pair
        Sorted by the two paths.
    """
    places = [sides(manifest, split) for split in SPLITS]
    named = {position for pair in pairs for position in (pair.first, pair.second)}
    # Of a large cluster each image is in many pairs.
    paths = {position: manifest.display_path(manifest.records[position]) for position in named}
    found = (_pair(manifest, paths, places, pair) for pair in pairs)
    return tuple(sorted(found, key=lambda pair: (pair.first, pair.second)))


def copy_checks(pairs: Sequence[Pair], images: int, *, grouped: bool = False) -> tuple[Check, Check]:
    """Judge exact copies, then near copies.

    A copy on two sides of a split makes the score on one side too good, a copy in two classes is a wrong label: both
    are problems whatever their number. So is one in two groups where the data set brings groups of its own, since a
    split that trusts them divides it. Other copies only count twice, which is worth knowing.

    Parameters
    ----------
    pairs
        What was found.
    images
        How many were compared.
    grouped
        Whether the data set brings groups; without, each file is a group of its own.
    """
    if images < 2:
        return _not_run("exact-copies", "Exact copies"), _not_run("near-copies", "Near copies")
    exact = [pair for pair in pairs if pair.kind is CopyKind.EXACT]
    others = [pair for pair in pairs if pair.kind is not CopyKind.EXACT]
    kinds = [
        f"{sum(pair.kind is kind for pair in others):,} {word}"
        for kind, word in (
            (CopyKind.NEAR, "the same way round"),
            (CopyKind.MIRRORED, "mirrored"),
            (CopyKind.ROTATED, "turned or flipped"),
        )
    ]
    return (
        _check("exact-copies", "Exact copies", exact, ("with equal pixels", ""), grouped=grouped),
        _check(
            "near-copies",
            "Near copies",
            others,
            ("that show one picture", f" ({', '.join(kinds)})"),
            grouped=grouped,
        ),
    )


def _not_run(key: str, title: str) -> Check:
    sentence = "Fewer than two images can be read, so there is nothing to compare."
    return Check(key=key, title=title, verdict=Verdict.NOT_RUN, sentence=sentence)


def _check(key: str, title: str, pairs: Sequence[Pair], what: tuple[str, str], *, grouped: bool) -> Check:
    if not pairs:
        sentence = f"No two images are {title.lower()} of each other."
        return Check(key=key, title=title, verdict=Verdict.GOOD, sentence=sentence, count=0)
    across = {
        "the official split": sum(pair.across_split for pair in pairs),
        "folds": sum(pair.across_folds for pair in pairs),
        "the hold-out split": sum(pair.across_parts for pair in pairs),
        "classes": sum(pair.first_label is not pair.second_label for pair in pairs),
    }
    found = [f"{number:,} across {place}" for place, number in across.items() if number]
    images = len({path for pair in pairs for path in (pair.first, pair.second)})
    apart = sum(not pair.same_group for pair in pairs)
    where = f"of the pairs {listed(found)}" if found else "none across a split or across classes"
    # A folder without groups promises nothing, and is split by what the pictures show.
    divided = ""
    if grouped and apart:
        divided = (
            f"; the manifest's groups do not keep {counted(apart, 'pair')} together, so a split by them leaks"
        )
    return Check(
        key=key,
        title=title,
        verdict=Verdict.PROBLEM if found or divided else Verdict.NOTICE,
        sentence=(
            f"{counted(images, 'image')} form {counted(len(pairs), 'pair')} {what[0]}{what[1]}; {where}{divided}."
        ),
        count=len(pairs),
    )


def _pair(
    manifest: Manifest, paths: Mapping[int, str], places: Sequence[Sequence[str | None]], pair: CopyPair
) -> Pair:
    first, second = manifest.records[pair.first], manifest.records[pair.second]
    apart = []
    for side in places:
        both = {side[pair.first], side[pair.second]}
        apart.append(len(both) == 2 and None not in both)
    split, folds, parts = apart
    return Pair(
        first=paths[pair.first],
        second=paths[pair.second],
        kind=pair.kind,
        orientation=pair.orientation,
        score=round(pair.score, _SCORE_DIGITS),
        first_label=first.label,
        second_label=second.label,
        same_group=first.group == second.group,
        across_split=split,
        across_folds=folds,
        across_parts=parts,
    )

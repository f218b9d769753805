"""The checks of a finished split.

Owns what is checked and counted for a certificate. Everything is measured on the finished rows, not taken over from
whoever split them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.certificate import (
    FEWEST_GROUPS,
    CheckedKey,
    Estimability,
    NearCopies,
    Side,
    SplitCertificate,
    UnevenClass,
)
from tumorscope.dataset.copies.of_manifest import Copies
from tumorscope.dataset.copies.pair import CopyPair
from tumorscope.dataset.facts import file_hash
from tumorscope.dataset.groups import Key, groups_with_two_labels, key_of
from tumorscope.dataset.leaks import Leak, find_leaks, fold_sides, part_sides
from tumorscope.dataset.manifest import ImageRecord, Manifest, Part
from tumorscope.dataset.resplit import SplitRequest
from tumorscope.dataset.style_certificate import describe_styles

__all__ = ["certify"]


def certify(
    before: Manifest,
    after: Manifest,
    request: SplitRequest,
    copies: Copies | None,
    *,
    file: Path,
    command: str,
    version: str,
) -> SplitCertificate:
    """Check a finished split and write down what was found.

    Parameters
    ----------
    before, after
        The data set as it was read and as it was written, rows in the same order; what could not be compared is
        in the first alone.
    request
        What was asked for.
    copies
        What comparing the pictures gave; ``None`` where they were not compared.
    file
        The manifest as it was written.
    command
        The command line that splits again.
    version
        Of this package.
    """
    doubtful = set(groups_with_two_labels(after))
    folds, parts = fold_sides(after), part_sides(after)
    sides = tuple(_sides(after))
    kept, pairs = (before, ()) if copies is None else copies.compared(before)
    return SplitCertificate(
        tumorscope=version,
        command=command,
        seed=request.seed,
        folds=request.folds,
        folds_kept=request.keep_folds and any(row.fold is not None for row in after),
        hold_out=request.hold_out,
        leak_free=request.leak_free,
        manifest_sha256_before=before.digest,
        manifest_sha256_after=after.digest,
        file_sha256=file_hash(file),
        images=len(after),
        left_out=len(before) - len(kept),
        groups_before=len({row.group for row in kept}),
        groups_after=len({row.group for row in after}),
        groups_with_two_labels=len(doubtful),
        images_in_groups_with_two_labels=sum(row.group in doubtful for row in after),
        checked=_checked(after, find_leaks(after, folds), find_leaks(after, parts)),
        near_copies=_near_copies(kept, None if copies is None else pairs, folds, parts),
        sides=sides,
        most_uneven=tuple(_most_uneven(sides, request)),
        test_part=_test_part(sides, leak_free=request.leak_free),
        by_style=None if request.styles is None else describe_styles(kept, after, request.styles),
    )


def _checked(manifest: Manifest, folds: Iterable[Leak], parts: Iterable[Leak]) -> tuple[CheckedKey, ...]:
    in_folds, in_parts = (Counter(leak.key for leak in leaks) for leaks in (folds, parts))
    return tuple(
        CheckedKey(
            key=key,
            images=sum(key_of(row, key) is not None for row in manifest),
            across_folds=in_folds[key],
            across_parts=in_parts[key],
        )
        for key in Key
    )


def _near_copies(
    compared: Manifest,
    pairs: Sequence[CopyPair] | None,
    folds: Sequence[str | None],
    parts: Sequence[str | None],
) -> NearCopies:
    if pairs is None:
        return NearCopies(
            searched=False,
            images=None,
            pairs=None,
            pairs_in_different_groups=None,
            across_folds=None,
            across_parts=None,
        )
    rows = compared.records
    return NearCopies(
        searched=True,
        images=len(compared),
        pairs=len(pairs),
        pairs_in_different_groups=sum(rows[pair.first].group != rows[pair.second].group for pair in pairs),
        across_folds=sum(_across(folds[pair.first], folds[pair.second]) for pair in pairs),
        across_parts=sum(_across(parts[pair.first], parts[pair.second]) for pair in pairs),
    )


def _across(first: str | None, second: str | None) -> bool:
    return first is not None and second is not None and first != second


def _sides(manifest: Manifest) -> Iterable[Side]:
    folds: defaultdict[int, list[ImageRecord]] = defaultdict(list)
    parts: defaultdict[Part, list[ImageRecord]] = defaultdict(list)
    for row in manifest:
        if row.fold is not None:
            folds[row.fold].append(row)
        if row.part is not None:
            parts[row.part].append(row)
    yield from (_side("fold", str(fold), folds[fold]) for fold in sorted(folds))
    yield from (_side("part", part.value, parts[part]) for part in Part if part in parts)


def _side(split: Literal["fold", "part"], side: str, rows: Sequence[ImageRecord]) -> Side:
    images = Counter(row.label for row in rows)
    groups = Counter(label for label, _ in {(row.label, row.group) for row in rows})
    return Side(
        split=split,
        side=side,
        images=len(rows),
        slices=len({row.slice_id for row in rows}),
        groups=len({row.group for row in rows}),
        patients=len({row.patient for row in rows if row.patient}),
        images_by_class={label.value: images[label] for label in CLASS_ORDER},
        groups_by_class={label.value: groups[label] for label in CLASS_ORDER},
    )


def _most_uneven(sides: Sequence[Side], request: SplitRequest) -> Iterable[UnevenClass]:
    wanted: dict[str, float] = {}
    if request.folds is not None:
        wanted["fold"] = 1 / request.folds
    if request.hold_out is not None:
        wanted["part"] = request.hold_out
    for split, share in wanted.items():
        own = [side for side in sides if side.split == split]
        totals = {key: sum(side.images_by_class[key] for side in own) for key in CLASS_ORDER}
        found = [
            UnevenClass(
                split=side.split,
                side=side.side,
                label=key.value,
                share=side.images_by_class[key] / totals[key],
                wanted=share,
            )
            for side in own
            if side.side != Part.TRAIN
            for key in CLASS_ORDER
            if totals[key]
        ]
        yield max(found, key=lambda one: abs(one.share - one.wanted))


def _test_part(sides: Sequence[Side], *, leak_free: bool) -> Estimability | None:
    test = next((side for side in sides if (side.split, side.side) == ("part", Part.TEST)), None)
    if test is None and not leak_free:
        return None
    counts = dict.fromkeys([key.value for key in CLASS_ORDER], 0) if test is None else test.groups_by_class
    too_few = tuple(name for name, count in counts.items() if count < FEWEST_GROUPS)
    return Estimability(estimable=not too_few, too_few=too_few)

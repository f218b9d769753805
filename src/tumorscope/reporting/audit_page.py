"""The page of an audit: what is wrong with a data set, for a person to read.

Owns what is shown of an :class:`~tumorscope.dataset.audit.document.Audit`, in which order and in which words; how it
looks is ``templates/audit.html``. Shows the most serious of everything and says how much more ``audit.json``
holds. Knows no patient: leaks are shown by one image each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.audit.clusters import joined
from tumorscope.dataset.audit.document import (
    Audit,
    Check,
    CrossTable,
    Leak,
    Pair,
    ShortcutFigures,
    SuspectedLabel,
    UnlikeBrain,
    Unreadable,
    Verdict,
)
from tumorscope.dataset.audit.shortcuts import least_loss, named_features
from tumorscope.dataset.copies.pair import CopyKind, Orientation
from tumorscope.reporting.audit_cards import (
    Badge,
    ClassShare,
    ConflictCard,
    CopiesOfKind,
    FeatureBar,
    LeakRow,
    PairCard,
    ShortcutView,
    SuspectCard,
    TableRow,
    TableView,
    Tile,
    UnlikeCard,
)
from tumorscope.reporting.gallery import Picture, Shown, Thumbnails, first_of, within
from tumorscope.reporting.page import count, percent, render
from tumorscope.reporting.plots import Rate, histogram, rates

__all__ = ["audit_page"]

_ROWS = 60
_TABLE_ROWS = 12
_OF_ONE_PICTURE = 2

_RANK = {Verdict.PROBLEM: 0, Verdict.NOTICE: 1, Verdict.NOT_RUN: 2, Verdict.GOOD: 3}

_SECTIONS = (
    # word in the key of a check, anchor of the section that shows what it found; the first that fits
    ("conflict", "conflicts"),
    ("suspect", "suspects"),
    ("label-error", "suspects"),
    ("cop", "copies"),
    ("leak", "leaks"),
    ("patient", "leaks"),
    ("group", "leaks"),
    ("brain", "unlike"),
    ("novel", "unlike"),
    ("unread", "unreadable"),
    ("readable", "unreadable"),
    ("shortcut", "shortcut"),
    ("class", "tables"),
)

_KINDS = {
    CopyKind.EXACT: ("Exact copies", "The decoded pixels are equal, whatever the files are called."),
    CopyKind.NEAR: (
        "Near copies",
        "The same picture the same way round: saved again, rescaled, cropped, brighter or darker.",
    ),
    CopyKind.MIRRORED: (
        "Mirrored copies",
        "The second picture is the first one mirrored left to right, and perhaps saved again or rescaled.",
    ),
    CopyKind.ROTATED: (
        "Turned copies",
        "The second picture is the first one turned by a right angle or flipped.",
    ),
}

_RELATIONS = {
    Orientation.SAME: "the same way round",
    Orientation.MIRRORED: "mirrored left to right",
    Orientation.ROTATED_90: "turned 90° to the left",
    Orientation.ROTATED_180: "turned upside down",
    Orientation.ROTATED_270: "turned 90° to the right",
    Orientation.FLIPPED: "flipped top to bottom",
    Orientation.TRANSPOSED: "flipped along its falling diagonal",
    Orientation.TRANSVERSED: "flipped along its rising diagonal",
}

_SPLITS = {"official": "official split", "fold": "folds", "part": "hold-out split"}
_FOUND_BY = {
    "copies": "the pictures are copies of each other",
    "group": "the manifest puts them in one group",
    "source": "the source it was traced to says otherwise",
}


def audit_page(audit: Audit, picture: Picture, *, pictures: int = 60) -> str:
    """Write the page of an audit.

    Parameters
    ----------
    audit
        What was found.
    picture
        Gives the gray pixels ``uint8 [h, w]`` for a path of the data set, ``None`` if it cannot be read. Asked
        once for each image that is shown; give it small pictures where they are at hand, since nothing larger than 128
        pixels is kept.
    pictures
        At most so many in each gallery.

    Returns
    -------
    str
        One HTML file, to be written as UTF-8; it asks for no other file and no network.

    Raises
    ------
    MissingDependency
        If Jinja2 or matplotlib is not installed.
    """
    thumbnails = Thumbnails(picture)
    counts = Counter(check.verdict for check in audit.checks)
    return render(
        "audit.html",
        version=audit.tumorscope,
        audit=audit,
        overall=[(verdict, counts[verdict]) for verdict in _RANK if counts[verdict]],
        checks=[
            (check, _section_of(check))
            for check in sorted(audit.checks, key=lambda check: _RANK[check.verdict])
        ],
        found=_by_section(audit.checks),
        classes=_shares(audit.images_by_class.items(), audit.images),
        kinds=_kinds(audit.pairs, thumbnails, pictures),
        scores=_score_plot(audit.pairs),
        leaks=_leaks(audit.leaks),
        conflicts=_conflicts(audit, thumbnails, pictures),
        suspects=_suspects(audit.suspected_labels, thumbnails, pictures),
        unlike=_unlike(audit.unlike_brain, thumbnails, pictures),
        unreadable=first_of([_unnamed(file) for file in audit.unreadable], _ROWS),
        shortcut=_shortcut(audit.shortcut),
        tables=[_table(table) for table in audit.tables],
    )


def _section_of(check: Check) -> str | None:
    return next((anchor for word, anchor in _SECTIONS if word in check.key), None)


def _by_section(checks: Iterable[Check]) -> dict[str, list[Check]]:
    found: dict[str, list[Check]] = {anchor: [] for _, anchor in _SECTIONS}
    for check in checks:
        anchor = _section_of(check)
        if anchor is not None:
            found[anchor].append(check)
    return found


def _tile(path: str, label: Diagnosis, thumbnails: Thumbnails) -> Tile:
    return Tile(path, thumbnails.uri(path), label)


def _harm(pair: Pair) -> tuple[bool, bool, bool, bool]:
    """Sorts the pairs that do most harm first."""
    return (
        pair.first_label is pair.second_label,
        not pair.across_split,
        not (pair.across_folds or pair.across_parts),
        pair.same_group,
    )


def _in_order(pairs: Sequence[Pair], clusters: Mapping[str, int]) -> list[Pair]:
    """Most serious first, one of each picture before a second of it; a third waits until all others were shown."""
    ranked = sorted(pairs, key=lambda pair: (_harm(pair), -pair.score, pair.first, pair.second))
    before: Counter[tuple[object, int]] = Counter()
    turns = []
    for pair in ranked:
        own = (_harm(pair), clusters[pair.first])
        turns.append(before[own])
        before[own] += 1

    def order(place: int) -> tuple[bool, tuple[bool, bool, bool, bool], int, int]:
        harm = _harm(ranked[place])
        # A wrong label never waits.
        return harm[0] and turns[place] >= _OF_ONE_PICTURE, harm, turns[place], place

    return [ranked[place] for place in sorted(range(len(ranked)), key=order)]


def _clusters(pairs: Sequence[Pair]) -> dict[str, int]:
    """A number for each picture, by the paths of its copies."""
    paths = sorted({path for pair in pairs for path in (pair.first, pair.second)})
    place = {path: number for number, path in enumerate(paths)}
    numbers = joined(paths, ((place[pair.first], place[pair.second]) for pair in pairs))
    return dict(zip(paths, numbers.tolist(), strict=True))


def _kinds(pairs: Sequence[Pair], thumbnails: Thumbnails, pictures: int) -> list[CopiesOfKind]:
    kinds = []
    clusters = _clusters(pairs)
    for key, (title, words) in _KINDS.items():
        alike = _in_order([pair for pair in pairs if pair.kind is key], clusters)
        shown = first_of(alike, pictures // 2)
        kinds.append(
            CopiesOfKind(
                key=key,
                short=title.split()[0],
                title=title,
                words=words,
                pairs=len(alike),
                classes=sum(pair.first_label is not pair.second_label for pair in alike),
                splits=sum(pair.across_split for pair in alike),
                folds=sum(pair.across_folds or pair.across_parts for pair in alike),
                groups=sum(not pair.same_group for pair in alike),
                cards=Shown(tuple(_pair_card(pair, thumbnails) for pair in shown.items), shown.more),
            )
        )
    return sorted(kinds, key=lambda kind: (not kind.classes, not kind.splits))


def _pair_card(pair: Pair, thumbnails: Thumbnails) -> PairCard:
    badges = (
        (pair.first_label is not pair.second_label, Badge("different class", Verdict.PROBLEM)),
        (pair.across_split, Badge("across the official split", Verdict.PROBLEM)),
        (pair.across_folds, Badge("across folds", Verdict.PROBLEM)),
        (pair.across_parts, Badge("across the hold-out", Verdict.PROBLEM)),
        (not pair.same_group, Badge("different group", Verdict.NOTICE)),
    )
    exact = pair.kind is CopyKind.EXACT
    return PairCard(
        first=_tile(pair.first, pair.first_label, thumbnails),
        second=_tile(pair.second, pair.second_label, thumbnails),
        relation="the same pixels" if exact else _RELATIONS[pair.orientation],
        score="" if exact else f"{pair.score:.3f}",
        badges=tuple(badge for holds, badge in badges if holds),
    )


def _score_plot(pairs: Sequence[Pair]) -> str:
    """How sure the search was; exact copies are sure by themselves."""
    scores = {
        words: [pair.score for pair in pairs if pair.kind is kind]
        for kind, words in (
            (CopyKind.NEAR, "near"),
            (CopyKind.MIRRORED, "mirrored"),
            (CopyKind.ROTATED, "turned"),
        )
    }
    every = [score for series in scores.values() for score in series]
    if len(every) < 10:  # the cards say as much
        return ""
    return histogram(
        scores,
        label="score: correlation of the two pictures",
        name="scores",
        description=f"Histogram of the scores of {count(len(every))} pairs, from {min(every):.3f} to {max(every):.3f}.",
    )


def _leaks(leaks: Sequence[Leak]) -> Shown[LeakRow]:
    shown = first_of(sorted(leaks, key=lambda leak: (-sum(leak.sides.values()), leak.example)), _ROWS)
    rows = [
        LeakRow(_SPLITS[leak.split], leak.by, tuple(leak.sides.items()), leak.example) for leak in shown.items
    ]
    return Shown(tuple(rows), shown.more)


def _conflicts(audit: Audit, thumbnails: Thumbnails, pictures: int) -> Shown[ConflictCard]:
    each = 6  # of a large group these are enough to see what is meant
    shown = within(audit.conflicts, lambda conflict: min(each, len(conflict.paths)), pictures)
    cards = []
    for conflict in shown.items:
        named = first_of(list(zip(conflict.paths, conflict.labels, strict=False)), each)
        tiles = tuple(_tile(path, label, thumbnails) for path, label in named.items)
        # A conflict with the source is one image and two classes: the source has no file to show.
        source = conflict.labels[-1] if len(conflict.labels) > len(conflict.paths) else None
        cards.append(ConflictCard(Shown(tiles, named.more), source, _FOUND_BY[conflict.found_by]))
    return Shown(tuple(cards), shown.more)


def _suspects(
    suspects: Sequence[SuspectedLabel], thumbnails: Thumbnails, pictures: int
) -> Shown[SuspectCard]:
    shown = first_of(sorted(suspects, key=lambda suspect: (suspect.quality, suspect.path)), pictures)
    cards = [
        SuspectCard(_tile(suspect.path, suspect.label, thumbnails), suspect.suggested, suspect.quality)
        for suspect in shown.items
    ]
    return Shown(tuple(cards), shown.more)


def _unlike(images: Sequence[UnlikeBrain], thumbnails: Thumbnails, pictures: int) -> Shown[UnlikeCard]:
    shown = first_of(sorted(images, key=lambda image: (-image.novelty / image.limit, image.path)), pictures)
    cards = [
        UnlikeCard(_tile(image.path, image.label, thumbnails), image.novelty, image.limit)
        for image in shown.items
    ]
    return Shown(tuple(cards), shown.more)


def _unnamed(file: Unreadable) -> Unreadable:
    """A message without the path that stands beside it anyway."""
    return file.model_copy(update={"message": file.message.removeprefix(f"{file.path}: ")})


def _shortcut(figures: ShortcutFigures | None) -> ShortcutView | None:
    if figures is None:
        return None
    sensitivity = {_named(key): value for key, value in figures.sensitivity.items()}
    lines = [Rate("all images", figures.accuracy, figures.low, figures.high)]
    lines += [Rate(name, value) for name, value in sensitivity.items()]
    spoken = ", ".join(f"{line.name} {line.value:.0%}" for line in lines)
    found = figures.low > figures.chance
    named = named_features(figures) if found else {}  # what a probe at chance leans on is noise
    largest = max(named.values(), default=1.0)
    return ShortcutView(
        figures=figures,
        sentence=_meaning(figures),
        plot=rates(
            lines,
            chance=figures.chance,
            name="shortcut",
            description=f"Share guessed right without looking at the brain: {spoken}; chance {figures.chance:.0%}.",
        ),
        found=found,
        least=least_loss(figures.images),
        features=tuple(FeatureBar(name, loss, loss / largest) for name, loss in named.items()),
    )


def _meaning(figures: ShortcutFigures) -> str:
    guessed = (
        f"Without looking at the brain, {percent(figures.accuracy)} of the classes were guessed right; "
        f"saying the most frequent class every time gets {percent(figures.chance)}."
    )
    if figures.low <= figures.chance:
        return f"{guessed} That is no better than chance: this probe found no shortcut."
    way = (figures.accuracy - figures.chance) / (1 - figures.chance) if figures.chance < 1 else 0.0
    return (
        f"{guessed} That is {percent(way, 0)} of the way from chance to a perfect score, so a model can score well on "
        "this data by recognising where an image came from, and a high accuracy alone does not show that it "
        "recognises tumours."
    )


def _named(key: str) -> str:
    return Diagnosis(key).label if key in set(Diagnosis) else key


def _shares(counts: Iterable[tuple[str, int]], whole: int) -> tuple[ClassShare, ...]:
    """The classes in their one order, absent ones too."""
    known = dict(counts)
    return tuple(
        ClassShare(key, known.get(key, 0), known.get(key, 0) / whole if whole else 0.0) for key in CLASS_ORDER
    )


def _table(table: CrossTable) -> TableView:
    classes = tuple(Diagnosis(column) for column in table.columns[1:-1])
    rows = []
    for name, *counts in table.rows:
        *cells, images = (int(cell) for cell in counts)
        shares = [
            ClassShare(label, cell, cell / images if images else 0.0)
            for label, cell in zip(classes, cells, strict=True)
        ]
        rows.append(TableRow(str(name), tuple(shares), images))
    folded = first_of(rows[_TABLE_ROWS:], _ROWS)
    return TableView(
        key=table.key,
        title=table.title,
        name=table.columns[0],
        classes=classes,
        shown=tuple(rows[:_TABLE_ROWS]),
        folded=folded.items,
        more=folded.more,
    )

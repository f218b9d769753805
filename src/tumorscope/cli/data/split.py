"""``tumorscope data split``: parse, call, print."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorscope.cli.data.options import MapLabel, Out, ShowProgress
from tumorscope.cli.data.sources import check_not_read, read_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tumorscope.dataset.certificate import Side, SplitCertificate
    from tumorscope.dataset.copies.of_manifest import Copies
    from tumorscope.dataset.looks import Looks
    from tumorscope.dataset.manifest import Manifest
    from tumorscope.dataset.resplit import SplitRequest
    from tumorscope.dataset.style_certificate import StylesOfSplit

__all__ = ["split"]

_MANY = {"patient": "patients", "group": "groups", "slice": "slices", "file": "files", "pixels": "pixels"}


def split(
    source: Annotated[Path, typer.Argument(help="A manifest, or a folder with one sub-folder per class.")],
    out: Out,
    folds: Annotated[
        int | None, typer.Option("--folds", metavar="K", help="Make K cross-validation folds.")
    ] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(
            "--hold-out", metavar="FRACTION", help="Hold this share of the images out as part 'test'."
        ),
    ] = None,
    leak_free: Annotated[
        bool,
        typer.Option(
            "--leak-free",
            help="Part 'test': official Testing images with no copy and no patient in Training; "
            "the other Testing images are excluded.",
        ),
    ] = False,
    keep_folds: Annotated[
        bool, typer.Option("--keep-folds", help="Keep the manifest's own folds, if they do not leak.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another number gives another split.")] = 0,
    trust_groups: Annotated[
        bool,
        typer.Option("--trust-groups", help="Do not compare the pictures: trust the manifest's keys alone."),
    ] = False,
    by_style: Annotated[
        bool,
        typer.Option(
            "--by-style",
            help="Make the folds of whole intensity styles, for the protocol shifted; images in a style of another "
            "fold than most of their group are excluded.",
        ),
    ] = False,
    styles: Annotated[
        int | None,
        typer.Option(
            "--styles", metavar="N", min=2, help="How many styles --by-style looks for; 8 if left out."
        ),
    ] = None,
    map_label: MapLabel = None,
    progress: ShowProgress = True,
) -> None:
    """Split a data set so that no patient and no copy lies on two sides, and certify it.

    Classes are balanced. The same seed gives the same split, whatever the order of the rows. Every picture is compared
    with all others: mirrored, turned, rescaled, cropped and brightened copies stay together. A certificate that says
    what was checked and found is written beside the manifest. Images that cannot be read, or are other ones than the
    manifest says, are listed and left out (exit status 1).

    \b
    Examples:
      tumorscope data split manifest.csv --folds 5 --out split.csv
      tumorscope data split images/ --hold-out 0.2 --folds 4 --out split.parquet
      tumorscope data split manifest.csv --leak-free --keep-folds --out leak-free.csv
      tumorscope data split manifest.csv --by-style --folds 4 --out by-style.csv
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.cli.data.report import empty_classes, left_out
    from tumorscope.core.errors import InvalidManifest
    from tumorscope.core.files import check_writable
    from tumorscope.core.version import __version__
    from tumorscope.dataset.certificate import certificate_path, write_certificate
    from tumorscope.dataset.certify import certify
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.dataset.manifest_file import write_manifest
    from tumorscope.dataset.resplit import SplitRequest, resplit
    from tumorscope.dataset.table import check_table_name

    wanted = _styles(by_style=by_style, styles=styles, trust_groups=trust_groups)
    request = SplitRequest(folds, hold_out, leak_free, keep_folds, seed, wanted)
    names = ClassNames.parse(map_label or [])
    check_table_name(out)
    check_writable(out)
    check_writable(certificate_path(out))
    check_not_read(out, [source])
    manifest = read_data(source, names)
    looks = _looks(manifest, progress=progress) if by_style else None
    if looks is not None:
        copies: Copies | None = looks.copies
    else:
        copies = None if trust_groups else _copies(manifest, progress=progress)
    kept, pairs = copies.compared(manifest) if copies else (manifest, ())
    left_out(copies.failures if copies else ())
    if not len(kept):
        raise InvalidManifest(f"none of the {len(manifest):,} images can be used; nothing was written")
    result = resplit(kept, request, pairs, None if looks is None else looks.features)
    write_manifest(result, out)
    certificate = certify(
        manifest,
        result,
        request,
        copies,
        file=out,
        command=_command(source, out, request, map_label or [], trust_groups=trust_groups),
        version=__version__,
    )
    write_certificate(certificate, certificate_path(out))
    has_folds = any(row.fold is not None for row in kept)
    if has_folds and not (folds or keep_folds):
        typer.echo("the manifest's own folds were dropped; --keep-folds keeps them", err=True)
    if keep_folds and not has_folds:
        typer.echo(
            "note: the manifest has no folds that --keep-folds could keep; --folds K makes some", err=True
        )
    empty_classes(result)
    for line in _summary(certificate):
        typer.echo(line)
    typer.echo(f"written to {out}, certificate to {certificate_path(out)}")
    if copies and copies.failures:
        raise typer.Exit(1)


def _styles(*, by_style: bool, styles: int | None, trust_groups: bool) -> int | None:
    """How many styles to look for, after what can be wrong in these options."""
    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.dataset.styles import STYLES

    if not by_style:
        if styles is not None:
            raise InvalidConfiguration("--styles says how many --by-style looks for; give --by-style with it")
        return None
    if trust_groups:
        raise InvalidConfiguration(
            "--by-style looks at every picture and keeps its copies together; leave --trust-groups away"
        )
    return STYLES if styles is None else styles


def _looks(manifest: Manifest, *, progress: bool) -> Looks:
    """Compare the pictures and measure what they look like, with a bar."""
    from tumorscope.cli.progress import counter
    from tumorscope.dataset.looks import looks_of

    with counter("images", show=progress) as count:
        return looks_of(manifest, count)


def _copies(manifest: Manifest, *, progress: bool) -> Copies:
    """Compare the pictures, with a bar."""
    from tumorscope.cli.progress import counter
    from tumorscope.dataset.copies.of_manifest import copies_of

    with counter("images", show=progress) as count:
        return copies_of(manifest, count)


def _command(
    source: Path, out: Path, request: SplitRequest, map_label: Sequence[str], *, trust_groups: bool
) -> str:
    words = ["tumorscope", "data", "split", source.as_posix(), "--out", out.as_posix()]
    if request.folds is not None:
        words += ["--folds", str(request.folds)]
    if request.hold_out is not None:
        words += ["--hold-out", str(request.hold_out)]
    words += [
        name
        for name, given in (
            ("--leak-free", request.leak_free),
            ("--keep-folds", request.keep_folds),
            ("--trust-groups", trust_groups),
        )
        if given
    ]
    if request.styles is not None:
        words += ["--by-style", "--styles", str(request.styles)]
    words += [word for setting in map_label for word in ("--map-label", setting)]
    return shlex.join([*words, "--seed", str(request.seed)])


def _summary(certificate: SplitCertificate) -> Iterator[str]:
    if certificate.left_out:
        yield (
            "1 image was left out"
            if certificate.left_out == 1
            else f"{certificate.left_out:,} images were left out"
        )
    joined = certificate.groups_before - certificate.groups_after
    yield (
        f"{certificate.images:,} images in {certificate.groups_after:,} undivided groups"
        + (f" (the manifest's {certificate.groups_before:,}, some of them joined)" if joined else "")
    )
    for side in certificate.sides:
        yield f"{side.split} {side.side}: {side.images:,} images in {side.groups:,} groups: {_by_class(side)}"
    if certificate.by_style is not None:
        yield from _by_style(certificate.by_style)
    for uneven in certificate.most_uneven:
        if f"{uneven.share:.1%}" == f"{uneven.wanted:.1%}":
            continue
        yield (
            f"farthest from even: {uneven.share:.1%} of {uneven.label} in {uneven.split} {uneven.side}, "
            f"{uneven.wanted:.1%} wanted"
        )
    yield from _checks(certificate)
    if certificate.groups_with_two_labels:
        yield (
            f"groups with images of two classes: {certificate.groups_with_two_labels} "
            f"({certificate.images_in_groups_with_two_labels} images), kept whole; look at their labels"
        )
    if certificate.test_part is not None and not certificate.test_part.estimable:
        from tumorscope.dataset.certificate import FEWEST_GROUPS

        yield (
            f"figures on part test: not estimable (fewer than {FEWEST_GROUPS} groups of "
            f"{', '.join(certificate.test_part.too_few)})"
        )


def _by_style(found: StylesOfSplit) -> Iterator[str]:
    for fold in found.folds:
        for name, images in fold.styles.items():
            yield f"  fold {fold.fold}, {name}: " + ", ".join(f"{key} {n:,}" for key, n in images.items())
        if fold.absent:
            yield f"  fold {fold.fold} has no image of {', '.join(fold.absent)}: no figure of it comes of this fold"
    yield (
        f"styles in two folds: {found.across_folds}; excluded, in a style of another fold than most of their group: "
        f"{found.excluded:,} images"
    )


def _checks(certificate: SplitCertificate) -> Iterator[str]:
    found = ", ".join(
        f"{check.key} {check.across_folds + check.across_parts}"
        + ("" if check.images == certificate.images else f" (known of {check.images:,} images)")
        for check in certificate.checked
        if check.images
    )
    unknown = "".join(f"; {_MANY[check.key]}: not known" for check in certificate.checked if not check.images)
    yield f"on two sides: {found}{unknown}"
    copies = certificate.near_copies
    if not copies.searched:
        yield "near copies were not searched: only the manifest's keys were checked"
        return
    across = (copies.across_folds or 0) + (copies.across_parts or 0)
    yield (
        f"copies by comparing {copies.images:,} pictures: {copies.pairs:,} pairs, "
        f"{copies.pairs_in_different_groups:,} of them in two groups of the manifest, now joined; {across} on two sides"
    )


def _by_class(side: Side) -> str:
    return ", ".join(
        f"{name} {count:,} ({side.groups_by_class[name]:,})" for name, count in side.images_by_class.items()
    )

"""A bundle measured on images that it has not seen.

Owns which images it is asked about under a protocol, and how an interrupted measurement goes on. Draws no figure that
the protocol does not allow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from tumorscope.assessment.measurement import Measurement, images_by_class
from tumorscope.assessment.unlabelled import passed_over_note
from tumorscope.core.version import __version__
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.calibration import scaling_of
from tumorscope.evaluation.kept_answers import KeptAnswers
from tumorscope.evaluation.protocol import Protocol, measure, not_estimable
from tumorscope.evaluation.scoring import refuse_trained_on, score, trained_on
from tumorscope.evaluation.selection import beyond_official_training, images_to_test
from tumorscope.evaluation.synthetic import synthetic_notes
from tumorscope.inference.bundle import read_bundle
from tumorscope.inference.classifier import Classifier

__all__ = ["measure_bundle"]

_COMPARED = (
    "No file here is byte for byte one that the model was trained on. Training images that were saved again are not "
    "recognised by that: look for them with 'tumorscope data audit' or 'tumorscope data trace'."
)


def measure_bundle(
    classifier: Classifier,
    bundle: Path | None,
    data: Path,
    protocol: Protocol,
    command: str,
    *,
    class_names: ClassNames,
    allow_leaks: bool = False,
    kept: Path | None = None,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Ask a bundle about every image that the protocol tests.

    Parameters
    ----------
    classifier, bundle
        Who answers, and its file (``None`` for the bundle that ships).
    data
        A manifest, or a folder per class.
    protocol
        ``external``, ``official`` or ``leak-free``.
    command
        The command line that makes the same figures again.
    class_names
        Further names of the classes.
    allow_leaks
        Whether parts may leak.
    kept
        Where answers are kept while the measurement is under way; ``None`` keeps none.
    batch_size
        Images answered at once.
    progress
        Called with (done, total) images.

    Raises
    ------
    InvalidManifest, LeakySplit
        As choosing the images does.
    TrainedOnError
        If the bundle was made from some of them.
    """
    whole = read_manifest(data, class_names)
    images = images_to_test(whole, protocol, allow_leaks=allow_leaks)
    notes = (
        *synthetic_notes(row.source for row in images.manifest),
        *passed_over_note(data, class_names),
        *images.notes,
    )
    prefixes = classifier.card.data.image_sha256_prefixes
    if not images.estimable:
        seen = len(trained_on(images.manifest, prefixes))
        if seen:
            notes += (
                f"{seen:,} of these {len(images.manifest):,} images were used to train {classifier.facts.label}: no "
                "figure could be given on them either.",
            )
        return Measurement(
            measured=not_estimable(images.manifest, protocol, command),
            model=classifier.facts.label,
            images_by_class=images_by_class(images.manifest.labels()),
            notes=notes,
        )
    unseen = beyond_official_training(whole) if protocol is Protocol.OFFICIAL else images.manifest
    refuse_trained_on(unseen, prefixes, classifier.facts.label)
    seen = len(trained_on(images.manifest, prefixes))
    scored = score(
        images.manifest,
        classifier.card.input_size,
        lambda batch: classifier.session.run(batch, ("logits",))[0],
        batch_size=batch_size,
        kept=None if kept is None else _kept_answers(kept, bundle, images.manifest, batch_size),
        progress=progress,
    )
    return Measurement(
        measured=measure(
            scored.table,
            protocol,
            command,
            calibrated=scaling_of(classifier.card).apply(scored.table.logits),
            leaks=images.leaks,
        ),
        model=classifier.facts.label,
        images_by_class=images_by_class(scored.table.labels),
        table=scored.table,
        images=images.manifest,
        notes=(*notes, _both_sides(seen) if seen else _COMPARED, *_untraced(images.manifest)),
        failures=scored.failures,
        classifier=classifier,
        bundle=bundle,
    )


def _both_sides(seen: int) -> str:
    """What a reader must know where the published split has the same file on both sides."""
    return (
        f"{seen:,} of the test images are, byte for byte, also images that the model was trained on: the official "
        "split has these files on both sides. It was not trained on any other."
    )


def _untraced(manifest: Manifest) -> tuple[str, ...]:
    """What a reader must know where nothing but the bytes of files tells copies."""
    count = sum(row.slice_id == row.sha256 for row in manifest)
    if not count:
        return ()
    return (
        f"Of {count:,} of {len(manifest):,} images only equal files are known to be copies: the same picture saved "
        "again counts as another slice and, where no patient is known, as another group. 'tumorscope data audit' finds "
        "such copies.",
    )


def _kept_answers(path: Path, bundle: Path | None, manifest: Manifest, batch_size: int) -> KeptAnswers:
    """Answers of the same bundle to the same images in the same batches, which decide the last digits."""
    digest = hashlib.sha256(read_bundle(bundle).content).hexdigest()
    return KeptAnswers(path, (digest, manifest.digest, batch_size, __version__))

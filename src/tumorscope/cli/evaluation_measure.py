"""How ``tumorscope evaluate`` measures what it was given: a table of answers, a run or a bundle.

Owns which function of ``assessment`` is called, with a progress bar round it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from tumorscope.cli.evaluation_options import ProtocolName, is_table

if TYPE_CHECKING:
    from tumorscope.assessment.measurement import Measurement
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.inference.classifier import Classifier

__all__ = ["measure"]


def measure(
    model: Path | None,
    protocol: ProtocolName,
    data: Path | None,
    command: str,
    names: ClassNames,
    *,
    kept: Path | None,
    batch_size: int,
    progress: bool,
    allow_leaks: bool,
) -> Measurement:
    """Measure what ``--model`` names: a table of answers, a run or a bundle."""
    from tumorscope.dataset.manifest_file import read_manifest
    from tumorscope.evaluation.protocol import Protocol

    chosen = Protocol(protocol.value)
    if is_table(model):
        from tumorscope.assessment.from_table import measure_table

        images = None if data is None else read_manifest(data, names)
        return measure_table(
            cast("Path", model), chosen, command, class_names=names, images=images, allow_leaks=allow_leaks
        )
    if protocol.measures_a_run:
        from tumorscope.assessment.from_run import measure_run

        images = None if data is None else read_manifest(data, names)
        return measure_run(model, chosen, command, images=images, allow_leaks=allow_leaks)
    from tumorscope.assessment.from_bundle import measure_bundle
    from tumorscope.assessment.unlabelled import has_no_labels, predictions_only
    from tumorscope.cli.progress import counter

    classifier, folder = _bundle_and_data(model, data, protocol)
    if protocol is ProtocolName.EXTERNAL and has_no_labels(folder, names):
        with counter("files", show=progress) as count:
            return predictions_only(
                classifier, folder, command, class_names=names, batch_size=batch_size, progress=count
            )
    with counter("images", show=progress) as count:
        return measure_bundle(
            classifier,
            model,
            folder,
            chosen,
            command,
            class_names=names,
            allow_leaks=allow_leaks,
            kept=kept,
            batch_size=batch_size,
            progress=count,
        )


def _bundle_and_data(
    model: Path | None, data: Path | None, protocol: ProtocolName
) -> tuple[Classifier, Path]:
    """The bundle to test and where its images are, after what can be wrong in the command."""
    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.inference.classifier import load

    if data is None:
        raise InvalidConfiguration(
            f"the protocol {protocol.value} needs labelled images: --data MANIFEST or FOLDER"
        )
    if model is not None and model.is_dir():
        raise InvalidConfiguration(
            f"{model} is a folder; the protocol {protocol.value} tests one bundle: give its .onnx file as --model"
        )
    return load(model), data

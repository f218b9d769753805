"""What the tests of studies share: a comparison made up for the page, and finished runs that nobody had to train."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bundle_factory import make_card, make_model
from tumorscope.core.card import Figure, Measured
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest, OfficialSplit
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.predictions import tabulate, write_predictions
from tumorscope.recipes.registry import RECIPES
from tumorscope.study.document import (
    Comparison,
    Costs,
    Curve,
    DataFacts,
    Latency,
    ModelFacts,
    Name,
    PairedTest,
    Result,
    Row,
    TrainingTime,
)
from tumorscope.study.reference import PUBLISHED, PUBLISHED_NOTE

__all__ = ["finished_runs", "made_comparison"]

MODELS = {
    "light-cnn": (0.951, 0.842, 3_300_000, 65e6, 13.1e6, 3.2),
    "deep-cnn": (0.972, 0.881, 1_180_000, 410e6, 4.8e6, 6.9),
    "vgg16": (0.968, 0.874, 14_720_000, 15.3e9, 59.0e6, 118.0),
    "efficientnet-lite0": (0.989, 0.924, 3_380_000, 390e6, 13.8e6, 5.4),
}
"""Accuracy under official and patient-wise, parameters, multiply-adds, bytes and milliseconds."""

MEANING: dict[Name, str] = {
    "official": "The data set's own split, as published.",
    "patient-wise": "Cross-fitted: every image was answered by a model that saw no image of its patient.",
    "leak-free": "The official test images that share no patient, copy or group with an image to learn from.",
}


def made_comparison() -> Comparison:
    """Four models with figures, one that failed, and the others not run."""
    rows = [_row(name) for name in MODELS]
    failed = Row(
        name="resnet18",
        recipe="resnet18",
        summary=RECIPES["resnet18"].summary,
        results=tuple(
            Result(
                protocol=name, state="failed", reason="the weights could not be had; give a file by --weights"
            )
            for name in MEANING
        ),
    )
    names = list(MODELS)
    pairs = [(names[k], names[m]) for k in range(len(names)) for m in range(k + 1, len(names))]
    protocols: tuple[Name, Name] = ("official", "patient-wise")
    return Comparison(
        command="tumorscope study --data manifest.csv --out study",
        data=DataFacts(
            manifest="manifest.csv",
            manifest_sha256="ab" * 32,
            images=5314,
            slices=3651,
            groups=1479,
            patients=214,
            images_by_class={key.value: 1200 + 80 * key.position for key in CLASS_ORDER},
            sources={"figshare": 3556, "sartaj-or-br35h": 1758},
            training=4291,
            testing=1023,
            leaks={"patient": 180, "file": 64},
        ),
        protocols=MEANING,
        interval="95%, percentile bootstrap over groups, 2000 resamples",
        rows=(
            *rows,
            failed,
            *(
                Row(name=name, recipe=name, summary=recipe.summary)
                for name, recipe in RECIPES.items()
                if name not in {*MODELS, "resnet18"}
            ),
        ),
        tests=tuple(_test(protocol, *pair) for protocol in protocols for pair in pairs),
        notes=(PUBLISHED_NOTE,),
    )


def finished_runs(out: Path, data: Path) -> Manifest:
    """Write the runs of ``light-cnn`` and ``deep-cnn`` below a study, as training leaves them; their answers are made.

    The bundles say that they were made from the official Training part. Of ``deep-cnn`` one fold was trained.
    """
    manifest = read_manifest(data)
    training = manifest.subset(
        k for k, row in enumerate(manifest) if row.official_split is OfficialSplit.TRAINING
    )
    for number, recipe in enumerate(("light-cnn", "deep-cnn")):
        official, folds = (out / "runs" / recipe / part for part in ("official", "folds"))
        (official / "final").mkdir(parents=True)
        prefixes = tuple(sorted({row.sha256[:8] for row in training}))
        provenance = make_card().data.model_copy(update={"image_sha256_prefixes": prefixes})
        card = make_card(recipe=recipe, architecture=recipe, configuration={"epochs": 3}, data=provenance)
        (official / "bundle.onnx").write_bytes(make_model(card).SerializeToString())
        _leave_curves(official / "final")
        costs = Costs(parameters=1000, multiply_adds=2000, flops=4000, counted_by="hand")
        (official / "costs.json").write_text(costs.model_dump_json(), encoding="utf-8")

        rng = np.random.default_rng(number)
        logits = rng.normal(0.0, 1.0, (len(manifest), 4)) + 2.0 * np.eye(4)[manifest.labels()]
        fold = np.array([row.fold for row in manifest])
        kept = np.flatnonzero(fold == 1) if recipe == "deep-cnn" else np.arange(len(manifest))
        folds.mkdir(parents=True)
        table = tabulate(manifest.subset(kept.tolist()), logits[kept], fold[kept])
        write_predictions(table, folds / "predictions.csv")
        config = f"recipe: {recipe}\nimage_size: 64\nepochs: 3\n"
        (folds / "config.yaml").write_text(config, encoding="utf-8")
        for k in np.unique(fold[kept]).tolist():
            (folds / "folds" / str(k)).mkdir(parents=True)
            _leave_curves(folds / "folds" / str(k))
            if recipe == "light-cnn":
                (folds / "folds" / str(k) / "bundle.onnx").write_bytes(make_model(card).SerializeToString())
    return manifest


def _leave_curves(fit: Path) -> None:
    lines = ["epoch,loss,accuracy,rate,held_out_loss,held_out_accuracy"]
    lines += [f"{k},{1.2 - 0.3 * k},0.5,0.001,{1.1 - 0.2 * k},0.6" for k in range(3)]
    (fit / "metrics.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = {"seconds": 12.5, "sessions": 2, "device": "cpu", "threads": 1, "cores": 2}
    (fit / "time.json").write_text(json.dumps(record), encoding="utf-8")


def _row(name: str) -> Row:
    official, unseen, parameters, operations, size, time = MODELS[name]
    epochs = tuple(range(1, 31))
    return Row(
        name=name,
        recipe=name,
        summary=RECIPES[name].summary,
        model=ModelFacts(
            architecture=RECIPES[name].architecture,
            image_size=RECIPES[name].image_size,
            epochs=30,
            initial_weights="random",
            costs=Costs(
                parameters=parameters,
                multiply_adds=int(operations),
                flops=int(2 * operations),
                counted_by="torch.utils.flop_counter",
            ),
            bundle_bytes=int(size),
            latency=Latency(
                median_ms=time,
                low_ms=0.95 * time,
                high_ms=1.2 * time,
                repeats=50,
                threads=2,
                processor="A processor",
            ),
            training=(
                TrainingTime(part="official", seconds=800, fits=1, sessions=1, device="cpu", threads=2),
                TrainingTime(part="folds", seconds=7400, fits=4, sessions=5, device="cpu", threads=2),
            ),
        ),
        results=(
            _measured(name, "official", official, leaks={"patient": 180, "file": 64}),
            _measured(name, "patient-wise", unseen, folds=1 if name == "vgg16" else 4),
            Result(
                protocol="leak-free",
                state="not estimable",
                reason="fewer than 10 groups of glioma, meningioma, pituitary",
            ),
        ),
        curves=tuple(
            Curve(
                part="official" if fit == "final fit" else "folds",
                fit=fit,
                epochs=epochs,
                loss=tuple(1.3 * float(np.exp(-k / 8)) + 0.3 for k in epochs),
                held_out_loss=tuple(1.0 * float(np.exp(-k / 6)) + 0.1 + 0.02 * shift for k in epochs),
                held_out_accuracy=tuple(1 - 0.5 * float(np.exp(-k / 6)) for k in epochs),
            )
            for shift, fit in enumerate(("final fit", "fold 1", "fold 2"))
        ),
        published=PUBLISHED.get(name),
    )


def _measured(
    name: str,
    protocol: Name,
    accuracy: float,
    *,
    leaks: dict[str, int] | None = None,
    folds: int | None = None,
) -> Result:
    rate = Figure(value=accuracy, low=accuracy - 0.02, high=min(1.0, accuracy + 0.015))
    figures = {"accuracy": rate, "macro_f1": rate, "balanced_accuracy": rate, "macro_auroc": rate}
    for key in CLASS_ORDER:
        figures |= {f"{kind}_{key.value}": rate for kind in ("sensitivity", "specificity", "auroc")}
    figures["loss"] = Figure(value=2 * (1 - accuracy), low=1.6 * (1 - accuracy), high=2.5 * (1 - accuracy))
    confusion = tuple(
        tuple(220.5 * accuracy if a == b else 220.5 * (1 - accuracy) / 3 for b in range(4)) for a in range(4)
    )
    return Result(
        protocol=protocol,
        state="measured",
        run=f"study/runs/{name}/{protocol}",
        measured=Measured(
            protocol=protocol,
            images=1023,
            slices=882,
            groups=503,
            patients=161,
            figures=figures,
            confusion=confusion,
            command=f"tumorscope evaluate --model study/runs/{name} --protocol {protocol}",
            leaks=leaks or {},
        ),
        images_by_class={key.value: 250 for key in CLASS_ORDER},
        trained_folds=folds,
        of_folds=None if folds is None else 4,
        notes=("161 of 503 groups are real patients.",),
    )


def _test(protocol: Name, first: str, second: str) -> PairedTest:
    place = 0 if protocol == "official" else 1
    step = MODELS[second][place] - MODELS[first][place]
    difference = Figure(value=step, low=step - 0.012, high=step + 0.011)
    return PairedTest(
        protocol=protocol,
        first=first,
        second=second,
        images=1023,
        slices=882,
        groups=503,
        difference={"accuracy": difference, "macro_f1": difference, "loss": difference},
        p_bootstrap={"accuracy": 0.01, "macro_f1": 0.02, "loss": 0.001},
        p_mcnemar=0.004,
        p_clustered=0.0004,
        p_holm=0.0024,
    )

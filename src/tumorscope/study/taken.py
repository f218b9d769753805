"""Finished runs and bundles that are compared without being trained.

Owns how they are named, what of a comparison each can give, and why not where it cannot. Reads cards and tables; free
of torch, and asks no model anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tumorscope.core.card import ModelCard
from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, read_predictions
from tumorscope.evaluation.scoring import trained_on
from tumorscope.evaluation.selection import beyond_official_training
from tumorscope.evaluation.style_folds import holds_whole_styles
from tumorscope.inference.bundle import read_card
from tumorscope.study.facts import recipe_of

__all__ = ["Sources", "take"]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the answers of one row come from.

    Parameters
    ----------
    recipe
        What the row is.
    official
        The run's folder, or the bundle itself, of a model that has not learnt from the official Testing part.
    folds
        Folder of a cross-fitted run.
    why_not
        For each of the two, by its name, why there is none although something was given.
    """

    recipe: str
    official: Path | None = None
    folds: Path | None = None
    why_not: tuple[tuple[str, str], ...] = ()

    def reason(self, part: str) -> str:
        """Why there is no such part; empty where nothing was given for it."""
        return dict(self.why_not).get(part, "")


def take(texts: tuple[str, ...], manifest: Manifest) -> dict[str, Sources]:
    """Look at every run and bundle that was given.

    Parameters
    ----------
    texts
        ``PATH`` or ``NAME=PATH``; without a name the row is named after the recipe. Runs of one name make one row: one
        gives the answers of the official part, another those of the folds.
    manifest
        The images that are compared on.

    Raises
    ------
    MissingInput
        If something is neither a run nor a bundle.
    InvalidConfiguration
        If two of one name would give the same part, or are of different recipes, or one run is named twice.
    """
    found: dict[str, Sources] = {}
    places: dict[Path, str] = {}
    for text in texts:
        name, path = _split(text)
        first = places.setdefault(path.resolve(), text)
        if first != text:
            raise InvalidConfiguration(
                f"--from names {path} twice, as {first!r} and {text!r}; compare it once"
            )
        sources = _look(path, manifest)
        name = name or sources.recipe
        found[name] = _joined(name, found[name], sources) if name in found else sources
    return found


def _split(text: str) -> tuple[str | None, Path]:
    name, equals, rest = text.partition("=")
    if equals and name and not Path(text).exists():
        return name, Path(rest)
    return None, Path(text)


def _look(path: Path, manifest: Manifest) -> Sources:
    if not path.exists():
        raise MissingInput(f"{path} does not exist; --from takes the folder of a run, or a bundle (.onnx)")
    recipe = recipe_of(path)
    bundle = path if path.is_file() else path / "bundle.onnx"
    why: list[tuple[str, str]] = []
    official = folds = None
    if bundle.is_file():
        seen = _seen(bundle, manifest)
        if seen:
            why.append(("official", f"{path.name} was trained on {seen:,} of the official test images"))
        else:
            official = path
    if path.is_dir() and (path / PREDICTIONS_NAME).is_file():
        if holds_whole_styles(read_predictions(path)):
            why.append(("folds", f"the folds of {path.name} hold out whole styles, not only patients"))
        else:
            folds = path
    if official is None and folds is None and not why:
        raise MissingInput(
            f"the run {path} has neither {PREDICTIONS_NAME} nor bundle.onnx; finish it by: tumorscope train --resume"
        )
    return Sources(recipe, official, folds, tuple(why))


def _seen(bundle: Path, manifest: Manifest) -> int:
    card = ModelCard.model_validate_json(read_card(bundle))
    return len(trained_on(beyond_official_training(manifest), card.data.image_sha256_prefixes))


def _joined(name: str, one: Sources, other: Sources) -> Sources:
    if one.recipe != other.recipe:
        raise InvalidConfiguration(
            f"--from gives {name!r} runs of the recipes {one.recipe} and {other.recipe}; name them apart by NAME=PATH"
        )
    for part, first, second in (
        ("official", one.official, other.official),
        ("folds", one.folds, other.folds),
    ):
        if first is not None and second is not None:
            raise InvalidConfiguration(
                f"{first} and {second} would both be the part {part} of the row {name!r}; name them apart by "
                "--from NAME=PATH"
            )
    return replace(
        one,
        official=one.official or other.official,
        folds=one.folds or other.folds,
        why_not=(*one.why_not, *other.why_not),
    )

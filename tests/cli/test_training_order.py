"""Which parts a ``tumorscope train`` has, and what is known of all of them before the first is begun."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tumorscope.cli.training_order import Request, orders_of
from tumorscope.cli.training_settings import Settings
from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.synthesis.phantom import write_phantoms
from tumorscope.training.config import configure
from tumorscope.training.folder import SEEN, WEIGHTS, start_run

PLAIN = Settings("light-cnn")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    list(write_phantoms(folder, 16, size=64))
    return folder


def request_of(data: Path, out: Path, parts: Sequence[bool], *, resume: bool = False) -> Request:
    return Request(data, out, [], parts, resume=resume, allow_leaks=False)


@pytest.mark.parametrize("parts", [(True,), (False,), (True, False)])
def test_a_plain_recipe_has_the_parts_that_are_asked_for(
    data: Path, tmp_path: Path, parts: tuple[bool, ...]
) -> None:
    orders = list(orders_of(PLAIN, request_of(data, tmp_path / "run", parts)))
    assert [(order.folds, order.is_guide) for order in orders] == [(folds, False) for folds in parts]


def test_a_guide_comes_first_in_a_folder_of_its_own(data: Path, tmp_path: Path) -> None:
    settings = Settings("efficientnet-lite2-closer", changes=["seed=7", "reader_share=0.9"])
    first = next(orders_of(settings, request_of(data, tmp_path / "run", (True, False))))
    assert first.is_guide
    assert first.folds
    assert first.out == tmp_path / "run" / "efficientnet-lite0-lesions"
    config = first.chosen.config
    assert (config.recipe, config.image_size, config.seed) == ("efficientnet-lite0-lesions", 160, 7)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("there", ["final", "efficientnet-lite0-lesions/final"])
def test_what_is_there_already_is_known_before_the_first_part(data: Path, tmp_path: Path, there: str) -> None:
    settings = Settings("efficientnet-lite2-closer")
    (tmp_path / there).mkdir(parents=True)
    with pytest.raises(InvalidConfiguration, match="final exists; go on with it by --resume"):
        next(orders_of(settings, request_of(data, tmp_path, (True, False))))
    assert next(orders_of(settings, request_of(data, tmp_path, (True, False), resume=True))).is_guide


@pytest.mark.parametrize("resume", [False, True])
def test_another_run_in_the_folder_is_known_before_the_guide_is_trained(
    data: Path, tmp_path: Path, resume: bool
) -> None:
    start_run(tmp_path, configure("light-cnn"), read_manifest(data))
    settings = Settings("efficientnet-lite2-closer")
    with pytest.raises(InvalidConfiguration, match="holds a run with another configuration"):
        next(orders_of(settings, request_of(data, tmp_path, (True,), resume=resume)))
    assert not (tmp_path / "efficientnet-lite0-lesions").exists()


def test_a_final_fit_without_folds_is_refused_before_the_guide_is_trained(data: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"--folds first \(--folds --final makes both\)"):
        next(orders_of(Settings("efficientnet-lite2-closer"), request_of(data, tmp_path, (False,))))


def test_a_named_guide_without_a_final_fit_is_refused_before_the_folds(data: Path, tmp_path: Path) -> None:
    guide = start_run(tmp_path / "guide", configure("light-cnn"), read_manifest(data))
    guide.fold(1).mkdir(parents=True)
    for name in (WEIGHTS, SEEN):
        (guide.fold(1) / name).touch()
    settings = Settings("light-cnn", guide=guide.path)
    with pytest.raises(MissingInput, match="the guide guide has no final fit"):
        next(orders_of(settings, request_of(data, tmp_path / "run", (True, False))))

"""Novelty of a run's fold models, and of one bundle: who is asked, and what is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundle_factory import NOVELTY_LIMIT, SIZE, head_image
from tiny_run import TinyRun
from tumorscope.assessment.examinee import Examinee, examinee_of_bundle, examinee_of_run
from tumorscope.assessment.foreign_images import Foreign, made_foreign
from tumorscope.assessment.novelty_pass import ask_for_novelty
from tumorscope.core.errors import InvalidManifest
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.cases import draw_balanced
from tumorscope.evaluation.report import NoveltyPart
from tumorscope.inference.classifier import load
from tumorscope.inference.fold_models import open_fold_models
from tumorscope.preprocess import preprocess


@pytest.fixture(scope="module")
def examinee(tiny_run: TinyRun) -> Examinee:
    return examinee_of_run(tiny_run.out, read_manifest(tiny_run.data))


@pytest.fixture(scope="module")
def foreign(examinee: Examinee) -> dict[str, Foreign]:
    return made_foreign(examinee.cases, examinee.size, count=8)


@pytest.fixture(scope="module")
def answered(
    examinee: Examinee, foreign: dict[str, Foreign], tmp_path_factory: pytest.TempPathFactory
) -> tuple[NoveltyPart, Path]:
    kept = tmp_path_factory.mktemp("novelty") / "answers.json"
    return ask_for_novelty(examinee, foreign, limit=1000, kept=kept)[0], kept


class TestFoldModels:
    def test_false_rejection_is_that_of_the_models_that_have_not_seen_the_slices(
        self, tiny_run: TinyRun, examinee: Examinee, answered: tuple[NoveltyPart, Path]
    ) -> None:
        models = open_fold_models(tiny_run.out)
        slices = draw_balanced(examinee.cases, None)  # of copies one
        folds = models.folds_of([row.sha256 for row in read_manifest(tiny_run.data)])[slices]
        novelty = models.run(tiny_run.images[slices], folds, ("novelty",))["novelty"]
        part, _ = answered
        assert part.score == "look-residual"
        assert part.images["brain"] == len(slices)
        assert part.false_rejection is not None
        assert part.false_rejection.value == pytest.approx((novelty > models.limits(folds)).mean())
        assert part.promised_false_rejection == 0.02
        assert part.made == tuple(kind for kind in part.images if kind != "brain")

    def test_the_scores_are_compared_on_the_same_images(self, answered: tuple[NoveltyPart, Path]) -> None:
        part, _ = answered
        # Mahalanobis and residual need more training images than directions, and the tiny run has fewer.
        assert list(part.auroc) == ["look-residual", "energy", "react", "nearest-neighbour"]
        assert {tuple(kinds) for kinds in part.auroc.values()} == {part.made}

    def test_a_kind_is_scored_by_every_model_and_what_is_made_of_a_slice_by_one(
        self, examinee: Examinee, foreign: dict[str, Foreign], answered: tuple[NoveltyPart, Path]
    ) -> None:
        said = list(json.loads(answered[1].read_text())["answers"].values())
        assert len(said) == 4
        for kind, each in foreign.items():
            positions = [one["foreign"][kind]["positions"] for one in said]
            if each.folds is None:
                assert positions == [list(range(8))] * 4
            else:
                expected = [np.flatnonzero(each.folds == fold).tolist() for fold in examinee.folds]
                assert positions == expected
        inside = examinee.models[1].session.run(foreign["stripes"].images, ("novelty",))[0]
        limit = examinee.models[1].facts.novelty_limit
        np.testing.assert_allclose(
            said[1]["foreign"]["stripes"]["scores"]["look-residual"], inside / limit, rtol=1e-5
        )

    def test_an_interrupted_pass_goes_on_with_the_next_model(
        self,
        examinee: Examinee,
        foreign: dict[str, Foreign],
        answered: tuple[NoveltyPart, Path],
        tmp_path: Path,
    ) -> None:
        part, complete = answered
        content = json.loads(complete.read_text())
        del content["answers"]["3"]
        kept = tmp_path / "answers.json"
        kept.write_text(json.dumps(content))
        ticks: list[tuple[int, int]] = []
        again, _ = ask_for_novelty(
            examinee, foreign, limit=1000, kept=kept, progress=lambda done, total: ticks.append((done, total))
        )
        assert again == part
        assert kept.read_bytes() == complete.read_bytes()
        assert len(ticks) < 20  # three models by the file, batches of the fourth only
        assert ticks[-1][0] == ticks[-1][1]

    @pytest.mark.parametrize("change", ["limit", "damaged"])
    def test_answers_to_other_questions_are_not_taken(
        self,
        examinee: Examinee,
        foreign: dict[str, Foreign],
        answered: tuple[NoveltyPart, Path],
        tmp_path: Path,
        change: str,
    ) -> None:
        kept = tmp_path / "answers.json"
        text = answered[1].read_text()
        kept.write_text(text if change == "limit" else text[: len(text) // 2])
        part, _ = ask_for_novelty(
            examinee, {"text": foreign["text"]}, limit=8 if change == "limit" else 1000, kept=kept
        )
        assert part.images["text"] == 8
        assert (part.images["brain"] == answered[0].images["brain"]) == (change == "damaged")


def _of_bundle(bundle: Path, manifest: Manifest) -> Examinee:
    return examinee_of_bundle(load(bundle), manifest, bundle)


def test_one_bundle_is_measured_by_its_own_limit_and_by_what_needs_no_training_images(
    bundle_path: Path, tiny_run: TinyRun, tmp_path: Path
) -> None:
    bright = preprocess(head_image((250, 250, 250, 250)), SIZE)
    dark = preprocess(head_image((30, 20, 20, 250)), SIZE)
    foreign = {"bright": Foreign(np.stack([bright] * 3)), "both": Foreign(np.stack([bright, dark]))}
    examinee = _of_bundle(bundle_path, read_manifest(tiny_run.data))
    part, unread = ask_for_novelty(examinee, foreign, limit=12, kept=tmp_path / "answers.json")
    novelty = examinee.models[0].session.run(np.stack([bright, dark]), ("novelty",))[0]
    assert (novelty > NOVELTY_LIMIT).tolist() == [True, False]
    assert (part.score, list(part.auroc)) == ("unknown", ["unknown", "energy"])
    assert (part.rejected["bright"], part.rejected["both"]) == (1, 0.5)
    assert part.auroc["unknown"]["bright"].value > 0.9
    assert part.made == ()
    assert unread == {}


def test_slices_that_cannot_be_read_are_told_and_none_left_is_an_error(
    bundle_path: Path, tiny_run: TinyRun, tmp_path: Path
) -> None:
    images = read_manifest(tiny_run.data)
    lost = replace(images.records[0], path=tmp_path / "lost.png")
    foreign = {"bright": Foreign(preprocess(head_image((250, 250, 250, 250)), SIZE)[None])}
    some = Manifest((lost, *images.records[1:]), images.root)
    part, unread = ask_for_novelty(
        _of_bundle(bundle_path, some), foreign, limit=1000, kept=tmp_path / "a.json"
    )
    slices = len({row.slice_id for row in images})
    assert (part.images["brain"], list(unread)) == (slices - 1, ["lost.png"])
    with pytest.raises(InvalidManifest, match="none of the brain slices"):
        ask_for_novelty(
            _of_bundle(bundle_path, Manifest((lost,), images.root)),
            foreign,
            limit=8,
            kept=tmp_path / "b.json",
        )

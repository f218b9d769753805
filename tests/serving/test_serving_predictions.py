"""``POST /v1/predictions``: every kind of file, against the answers of the classifier itself."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from serving_files import EXAMPLE, answered, dicom, head, is_problem, nifti, png, post, streamed, zipped

from reading_room import PATIENCE, Server
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.prediction import NOTICE, Prediction
from tumorscope.inference.classifier import Classifier, load
from tumorscope.inference.series import best_window

DICOM_SERIES = 5


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load(threads=1)


def probabilities(slice_: dict[str, Any]) -> list[float]:
    return [slice_["probabilities"][key.value] for key in CLASS_ORDER]


def test_an_image_gets_the_classifiers_answer(client: httpx.Client, classifier: Classifier) -> None:
    document = answered(client, ("a scan.png", EXAMPLE.read_bytes()))
    expected = classifier.predict(EXAMPLE)
    assert isinstance(expected, Prediction)
    (case,) = document["cases"]
    (one,) = case["slices"]
    assert (case["name"], case["kind"], case["series"]) == ("a scan.png", "image", None)
    assert probabilities(one) == pytest.approx(expected.probabilities.tolist(), abs=1e-4)
    assert one["diagnosis"] == expected.diagnosis.value
    assert one["verdict"] == expected.verdict.value
    assert one["prediction_set"] == [key.value for key in expected.prediction_set]
    assert one["novelty"] == pytest.approx(expected.novelty, rel=1e-3)
    assert one["coverage"] == expected.coverage
    assert document["notice"] == NOTICE
    assert document["model"] == expected.model
    assert document["failures"] == []
    assert client.get(f"/v1/predictions/{document['id']}").json() == document


def test_coverage_is_chosen_by_the_client(client: httpx.Client) -> None:
    document = answered(client, ("a.png", EXAMPLE.read_bytes()), coverage="0.9")
    assert document["cases"][0]["slices"][0]["coverage"] == 0.9
    refused = post(client, ("a.png", EXAMPLE.read_bytes()), coverage="0.123")
    assert is_problem(refused, 422)
    assert "calibrated for" in refused.json()["detail"]


def test_a_volume_is_one_case_with_an_answer_for_the_series(client: httpx.Client) -> None:
    (case,) = answered(client, ("head.nii", nifti(5)))["cases"]
    assert (case["kind"], case["plane"], len(case["slices"])) == ("volume", "axial", 5)
    assert [one["index"] for one in case["slices"]] == list(range(5))
    assert case["slices"][0]["orientation"] == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert case["slices"][0]["spacing"] == [1.0, 1.0]
    mean, window = best_window(np.array([probabilities(one) for one in case["slices"]], np.float32))
    verdicts = {one["verdict"] for one in case["slices"]}
    if "rejected" not in verdicts or verdicts == {"rejected"}:
        assert case["series"]["slices_used"] == list(window)
        got = [case["series"]["probabilities"][key.value] for key in CLASS_ORDER]
        assert got == pytest.approx(mean.tolist(), abs=1e-4)


def test_dicom_files_become_one_series_in_spatial_order(client: httpx.Client) -> None:
    files = [
        (f"study/{number}.dcm", dicom(head(top=2000 + 300 * number), number))
        for number in reversed(range(DICOM_SERIES))
    ]
    document = answered(client, *files, ("study/notes.txt", b"no image"), ("other.png", png()))
    series, image = document["cases"]
    assert (series["kind"], series["plane"]) == ("series", "axial")
    assert series["name"] == f"series of {DICOM_SERIES} slices"
    # Told by the brightest stored value, which grows with the position.
    tops = [int(np.frombuffer(client.get(one["pixels"]).content, "<u2").max()) for one in series["slices"]]
    assert tops == sorted(tops)
    assert image["name"] == "other.png"
    assert document["failures"] == [], "a text in a folder is passed over"


def test_members_of_an_archive_are_cases(client: httpx.Client) -> None:
    archive = zipped([("in/a.png", EXAMPLE.read_bytes()), ("in/bad.png", b"no"), ("in/c.png", png())])
    document = answered(client, ("study.zip", archive))
    assert [case["name"] for case in document["cases"]] == ["study.zip!in/a.png", "study.zip!in/c.png"]
    (failure,) = document["failures"]
    assert failure["name"] == "study.zip!in/bad.png"
    assert failure["status"] == 422
    assert "tumorscope-" not in failure["title"], "no path of the server"


def test_a_bad_file_costs_only_itself(client: httpx.Client) -> None:
    document = answered(client, ("bad.png", b"\x89PNG\r\n\x1a\n junk"), ("good.png", EXAMPLE.read_bytes()))
    assert [case["name"] for case in document["cases"]] == ["good.png"]
    assert [failure["name"] for failure in document["failures"]] == ["bad.png"]
    assert "truncated or corrupted" in document["failures"][0]["title"]


def test_a_stream_gives_slices_then_cases_then_done(client: httpx.Client) -> None:
    lines = streamed(client, ("head.nii", nifti(4)), ("bad.png", b"junk"), ("a.png", png()))
    kinds = [line["type"] for line in lines]
    assert kinds == ["accepted", *["slice"] * 4, "case", "failure", "slice", "case", "done"]
    assert [line["number"] for line in lines if line["type"] == "slice"] == [0, 1, 2, 3, 4]
    assert lines[-1] == {"type": "done", "cases": 2, "failures": 1}
    kept = client.get(f"/v1/predictions/{lines[0]['id']}").json()
    assert [case["id"] for case in kept["cases"]] == ["c1", "c2"]


def test_heatmap_is_a_layer_of_the_slices_size(client: httpx.Client) -> None:
    (case,) = answered(client, ("a.png", EXAMPLE.read_bytes()))["cases"]
    (one,) = case["slices"]
    response = client.get(one["heatmap"])
    assert response.headers["content-type"] == "image/png"
    layer = Image.open(io.BytesIO(response.content))
    assert (layer.mode, layer.size) == ("RGBA", (one["width"], one["height"]))
    alpha = np.asarray(layer)[..., 3]
    assert alpha.max() == 255
    assert (alpha == 0).any(), "where nothing speaks for the class the slice shows through"
    other = client.get(one["heatmap"].replace(one["diagnosis"], "glioma"))
    assert other.status_code == 200
    assert other.content != response.content


def test_previews_keep_the_proportions(client: httpx.Client) -> None:
    (case,) = answered(client, ("a.png", png(head(200, 100).astype(np.uint8))))["cases"]
    response = client.get(case["slices"][0]["pixels"] + ".png", params={"size": 96})
    assert Image.open(io.BytesIO(response.content)).size == (48, 96)


def test_a_closed_set_is_forgotten(client: httpx.Client) -> None:
    for close in ("delete", "beacon"):
        document = answered(client, ("a.png", png()))
        place = f"/v1/predictions/{document['id']}"
        response = client.delete(place) if close == "delete" else client.post(f"{place}/close")
        assert response.status_code == 204
        for address in (place, f"{place}/slices/0", f"{place}/heatmap.png?slice=0", f"{place}/answers.csv"):
            assert is_problem(client.get(address), 404)


def test_a_set_expires(client: httpx.Client) -> None:
    document = answered(client, ("a.png", png()), keep=1)
    expires = datetime.fromisoformat(document["expires"])
    assert 0 < (expires - datetime.now(UTC)).total_seconds() + PATIENCE < PATIENCE + 1
    time.sleep(max(0.0, (expires - datetime.now(UTC)).total_seconds()) + 0.05)
    assert is_problem(client.get(f"/v1/predictions/{document['id']}"), 404)


def test_no_other_set_can_be_reached(client: httpx.Client) -> None:
    document = answered(client, ("a.png", png()))
    assert len(document["id"]) >= 20
    assert is_problem(client.get(f"/v1/predictions/{document['id'][:-1]}"), 404)
    assert is_problem(client.get(f"/v1/predictions/{document['id']}/slices/1"), 404)


def test_real_dicom_series(client: httpx.Client, real_data: Path) -> None:
    paths = sorted((real_data / "dicom-t1").glob("*.dcm"))[20:24]
    (case,) = answered(client, *((f"t1/{path.name}", path.read_bytes()) for path in paths))["cases"]
    assert (case["kind"], case["plane"], len(case["slices"])) == ("series", "axial", 4)
    assert case["slices"][0]["orientation"] == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert case["series"]["slices_used"][0] in (0, 1, 2)


def test_metrics_count_what_happened(server: Server, client: httpx.Client) -> None:
    answered(client, ("a.png", png()))
    text = client.get("/metrics").text
    assert 'tumorscope_requests_total{method="POST",route="/v1/predictions",status="200"}' in text
    assert "tumorscope_batch_slices_count" in text
    assert "tumorscope_kept_bytes" in text
    assert server.process.poll() is None


def test_the_page_and_the_card(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert client.get("/docs").text.count("<section>") > 10
    assert "Intended use" in client.get("/v1/model/card.html").text
    assert client.get("/v1/model").json()["name"] == "efficientnet-lite2-closer"

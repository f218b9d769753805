"""The KServe V2 protocol, spoken by a client that is not ours, and by hand."""

from __future__ import annotations

import json

import httpx
import numpy as np
import pytest
from serving_files import EXAMPLE, is_problem

from reading_room import Server
from tumorscope.inference.bundle import OUTPUTS
from tumorscope.inference.classifier import load
from tumorscope.preprocess import preprocess
from tumorscope.reading.open import open_slices

MODEL = "efficientnet-lite2-closer"
triton = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")


@pytest.fixture(scope="module")
def images() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    size = load(threads=1).facts.input_size
    (image,) = open_slices(EXAMPLE)
    one = preprocess(image, size)
    return np.stack([one, one[:, ::-1]])


@pytest.mark.parametrize("binary", [True, False])
def test_a_client_of_triton(
    server: Server, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], binary: bool
) -> None:
    expected = dict(zip(OUTPUTS, load(threads=1).session.run(images, OUTPUTS), strict=True))
    with triton.InferenceServerClient(
        f"127.0.0.1:{server.port}", network_timeout=300, connection_timeout=300
    ) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready(MODEL)
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        told = client.get_model_metadata(MODEL)
        assert told["inputs"][0]["shape"][1:] == list(images.shape[1:])
        given = triton.InferInput("image", list(images.shape), "UINT8")
        given.set_data_from_numpy(images, binary_data=binary)
        wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in OUTPUTS]
        result = client.infer(MODEL, [given], outputs=wanted, request_id="seven")
        assert result.get_response()["id"] == "seven"
        for name in OUTPUTS:
            assert result.as_numpy(name) == pytest.approx(expected[name], abs=1e-3, rel=1e-3)


def test_a_client_of_triton_reads_our_problems(server: Server) -> None:
    with triton.InferenceServerClient(
        f"127.0.0.1:{server.port}", network_timeout=300, connection_timeout=300
    ) as client:
        given = triton.InferInput("image", [1, 4, 4], "UINT8")
        given.set_data_from_numpy(np.zeros((1, 4, 4), np.uint8))
        with pytest.raises(triton.InferenceServerException, match="has the shape") as caught:
            client.infer(MODEL, [given])
        assert caught.value.status() == "400"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"inputs": []}',
        json.dumps(
            {"inputs": [{"name": "image", "shape": [1, 2], "datatype": "UINT8", "data": [1, 2]}]}
        ).encode(),
        json.dumps(
            {"inputs": [{"name": "image", "shape": [1, 9, 9], "datatype": "FP32", "data": [1.5]}]}
        ).encode(),
        json.dumps(
            {"inputs": [{"name": "other", "shape": [1, 9, 9], "datatype": "UINT8", "data": [1]}]}
        ).encode(),
        b'{"inputs": [{"name": "image", "shape": [1, 99999999999, 9], "datatype": "UINT8", "data": [1]}]}',
    ],
)
def test_what_is_not_of_the_protocol(client: httpx.Client, body: bytes) -> None:
    response = client.post(f"/v2/models/{MODEL}/infer", content=body)
    assert is_problem(response, 400)
    assert response.json()["error"] == response.json()["detail"]


def test_data_must_fit_the_shape(client: httpx.Client) -> None:
    size = client.get(f"/v2/models/{MODEL}").json()["inputs"][0]["shape"][1]
    for data in (
        [1, 2, 3],
        [256] * size * size,
        [-1] * size * size,
        [0.5] * size * size,
        [[1], [2, 3]],
        ["a"],
    ):
        tensor = {"name": "image", "shape": [1, size, size], "datatype": "UINT8", "data": data}
        assert is_problem(client.post(f"/v2/models/{MODEL}/infer", json={"inputs": [tensor]}), 400)
    tensor = {
        "name": "image",
        "shape": [1, size, size],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": 9},
    }
    content = json.dumps({"inputs": [tensor]}).encode()
    for length in ("x", "-1", str(len(content) + 1), str(len(content))):
        headers = {"Inference-Header-Content-Length": length}
        assert is_problem(client.post(f"/v2/models/{MODEL}/infer", content=content, headers=headers), 400)

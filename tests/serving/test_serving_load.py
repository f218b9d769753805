"""Many at once: right answers, no mix-up, batches, and a line at the door."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving_files import EXAMPLE, answered, head, is_problem, png, post

from reading_room import Server

CLIENTS = 16


def test_sixteen_clients_get_each_their_own_answer(server: Server) -> None:
    kinds = [EXAMPLE.read_bytes(), png(), png(head(top=60000, lump=1.0)), b"junk"]
    names = ["example.png", "head.png", "deep.png", "junk.png"]
    with server.client() as client:
        expected = [answered(client, one) for one in zip(names, kinds, strict=True)]

    def told(document: dict[str, Any]) -> object:
        slices = [one for case in document["cases"] for one in case["slices"]]
        return (
            [round(value, 3) for one in slices for value in one["probabilities"].values()],
            [case["name"] for case in document["cases"]],
            [failure["name"] for failure in document["failures"]],
        )

    def ask(place: int) -> bool:
        with server.client() as client:
            every = (answered(client, (names[k % 4], kinds[k % 4])) for k in range(place, place + 4))
            return all(told(one) == told(expected[(place + k) % 4]) for k, one in enumerate(every))

    with ThreadPoolExecutor(CLIENTS) as pool:
        assert all(pool.map(ask, range(CLIENTS)))
    with server.client() as client:
        batches = [
            line for line in client.get("/metrics").text.splitlines() if "tumorscope_batch_slices" in line
        ]
    single = next(float(line.split()[-1]) for line in batches if 'le="1.0"' in line)
    runs = next(float(line.split()[-1]) for line in batches if "_count" in line)
    assert single < runs, "some runs of the network held slices of several requests"


def test_a_full_server_sends_away_for_a_while(bundle_path: Path, tmp_path: Path) -> None:
    small = Server(tmp_path, "--model", str(bundle_path), "--threads", "1", "--readers", "1", "--queue", "1")
    try:
        small.wait_until_ready()
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> Any:
            yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
            begun.set()
            assert go_on.wait(300)
            yield png() + b"\r\n--b--\r\n"

        def upload() -> httpx.Response:
            with small.client() as client:
                kind = {"Content-Type": "multipart/form-data; boundary=b"}
                return client.post("/v1/predictions", content=slow(), headers=kind)

        with ThreadPoolExecutor(1) as pool, small.client() as client:
            first = pool.submit(upload)
            assert begun.wait(300)
            while (metrics := client.get("/metrics").text) and "predictions_in_progress 1.0" not in metrics:
                pass
            refused = post(client, ("b.png", png()))
            assert is_problem(refused, 429)
            assert int(refused.headers["retry-after"]) >= 1
            go_on.set()
            assert first.result(300).json()["cases"][0]["name"] == "a.png"
            assert post(client, ("b.png", png())).status_code == 200
    finally:
        assert small.stop() == 0


@pytest.mark.parametrize("keep", [0])
def test_nothing_is_kept_where_nothing_shall_be(client: httpx.Client, keep: int) -> None:
    document = answered(client, ("a.png", png()), keep=keep)
    assert is_problem(client.get(f"/v1/predictions/{document['id']}"), 404)

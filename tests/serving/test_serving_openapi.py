"""Requests made up from the OpenAPI document: no answer is a mistake of the server's, each is one that is described."""

from __future__ import annotations

import warnings
from typing import Any

import httpx
import pytest

from reading_room import Server

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")


def test_document_is_served_and_describes_problems(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["schemas"]["Problem"]["required"]) == {"title", "status", "detail"}
    for path, verbs in document["paths"].items():
        for operation in verbs.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], (path, status)


def test_no_made_up_request_is_a_mistake_of_the_servers(server: Server) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_url(f"{server.address}/openapi.json")
        operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:
        described = {*operation.definition.raw["responses"], "404", "405"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _ask_about(operation.as_strategy(), described)


def _ask_about(strategy: Any, described: set[str]) -> None:
    from hypothesis import HealthCheck, Phase, given, settings

    @given(case=strategy)
    @settings(
        max_examples=6,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def asked(case: Any) -> None:
        response = case.call(timeout=300)
        told = (case, response.status_code, response.text[:300])
        assert response.status_code < 500, told
        assert str(response.status_code) in described, told
        if response.status_code >= 400:
            assert response.headers["content-type"][0] == "application/problem+json", told

    asked()

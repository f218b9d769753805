"""What the server counts, in the text format of Prometheus.

Owns the registry. Labels name routes, never addresses, files or clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from tumorscope.serving.service import Service

__all__ = ["Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """All of them; one object a server."""

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "tumorscope_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "tumorscope_request_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.slices = Counter(
            "tumorscope_slices", "Slices answered, by verdict.", ("verdict",), registry=self._registry
        )
        self.failures = Counter(
            "tumorscope_failures", "Files and slices that got no answer.", registry=self._registry
        )
        self.batch = Histogram(
            "tumorscope_batch_slices",
            "Slices in one run of the network.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self._registry,
        )
        for name, told, value in (
            ("tumorscope_predictions_in_progress", "Requests being answered.", lambda: service.active),
            ("tumorscope_kept_sets", "Sets of cases kept in memory.", lambda: len(service.store)),
            ("tumorscope_kept_bytes", "Memory that they take.", lambda: service.store.bytes),
            (
                "tumorscope_reader_restarts",
                "Reader processes that died and were replaced.",
                lambda: service.parts.readers.restarts,
            ),
        ):
            Gauge(name, told, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)

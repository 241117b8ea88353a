"""What the service counts, for Prometheus. Each application has a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters and gauges. Labels come from fixed sets only: nothing a caller writes becomes one."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "scdpo_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "scdpo_http_request_seconds", "Time to answer", ["route"], buckets=SECONDS, registry=self.registry
        )
        self.in_flight = Gauge(
            "scdpo_http_requests_in_flight", "Requests being answered", registry=self.registry
        )
        self.refused = Counter(
            "scdpo_refused", "Requests refused, by problem code", ["code"], registry=self.registry
        )
        self.verdicts = Counter("scdpo_verdicts", "Verdicts given", ["status"], registry=self.registry)
        self.moved = Counter("scdpo_checks_moved", "Checks moved to the slow lane", registry=self.registry)
        self.workers = Gauge("scdpo_workers", "Worker processes that take checks", registry=self.registry)
        self.replaced = Counter("scdpo_workers_replaced", "Worker processes replaced", registry=self.registry)
        self.sessions = Gauge("scdpo_sessions", "Sandbox sessions open", registry=self.registry)
        self.expired = Counter(
            "scdpo_sessions_expired", "Sessions closed for idleness", registry=self.registry
        )
        self.cells = Counter("scdpo_cells", "Cells run", ["status"], registry=self.registry)

    def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return generate_latest(self.registry)

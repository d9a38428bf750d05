"""Every metric, declared once with its exact labels.

Labels have closed, small value sets: a route is its template, a unit is the name of its function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from tenantry import __version__

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the metrics table."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


#: all metrics, in the order of their declaration
METRICS: list[Metric] = []


def _counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    METRICS.append(Metric(f"{name}_total", "counter", tuple(labels), text))
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
    METRICS.append(Metric(name, "gauge", tuple(labels), text))
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
    METRICS.append(Metric(name, "histogram", tuple(labels), text))
    return Histogram(name, text, labels, buckets=buckets, registry=REGISTRY)


HTTP_REQUESTS = _counter("tenantry_http_requests", "Requests answered.", ("route", "method", "code"))
HTTP_DURATION = _histogram(
    "tenantry_http_request_duration_seconds",
    "Time from a request's head to its answer; streams are left out.",
    ("route", "method"),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10),
)
HTTP_IN_FLIGHT = _gauge("tenantry_http_requests_in_flight", "Requests being answered, streams included.")
WATCHES = _gauge("tenantry_watches", "Open watches.", ("kind",))
WATCH_EVENTS = _counter("tenantry_watch_events", "Events written to watchers.", ("kind",))
DB_UNIT_SECONDS = _histogram(
    "tenantry_db_unit_duration_seconds",
    "Time of a database unit's function on its thread, without the wait for it and without its COMMIT.",
    ("unit", "dialect"),
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
DB_QUEUE = _gauge("tenantry_db_queue", "Database units that wait for a thread or run on one.", ("lane",))
#: code: the database's own number of the error
DB_RETRIES = _counter("tenantry_db_unit_retries", "Database units begun again after an error.", ("code",))
#: reason: full, deadline
DB_REFUSED = _counter("tenantry_db_units_refused", "Database units that never ran.", ("reason",))
#: code: of the database error, from the closed set in storage/retry.py
DB_RETRIES = _counter("tenantry_db_retries", "Database units that were run again.", ("code",))
LOOP_LAG = _histogram(
    "tenantry_event_loop_lag_seconds",
    "How much later than asked the event loop ran a timer.",
    (),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
#: method: none, key, serviceaccount; outcome: ok, malformed, unknown, expired, revoked, address, forged, unavailable
AUTHENTICATIONS = _counter(
    "tenantry_authentications", "Credentials looked at, by how that ended.", ("method", "outcome")
)
_BUILD = Info("tenantry_build", "Version of the server.", registry=REGISTRY)
_BUILD.info({"version": __version__})
METRICS.append(Metric("tenantry_build_info", "gauge", ("version",), "Version of the server."))


def table() -> str:
    """The metrics as a Markdown table."""
    lines = ["| Metric | Type | Labels | What it counts |", "|---|---|---|---|"]
    lines += [
        f"| `{metric.name}` | {metric.type} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in METRICS
    ]
    return "\n".join(lines) + "\n"

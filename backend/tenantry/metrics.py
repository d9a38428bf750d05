"""Every metric, declared once with its exact labels.

Labels have closed, small value sets: a route is its template, a unit is the name of its function.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

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
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as PrometheusMetric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

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


class RouteTraffic:
    """The requests of one route and method, in plain numbers: only the event loop counts, and locks cost more."""

    __slots__ = ("buckets", "codes", "labels", "seconds")

    def __init__(self, route: str, method: str) -> None:
        self.labels = (route, method)
        self.codes: dict[int, int] = {}
        self.buckets = [0] * (len(HttpTraffic.BOUNDS) + 1)
        self.seconds = 0.0

    def count(self, code: int) -> None:
        """Count one answer."""
        self.codes[code] = self.codes.get(code, 0) + 1

    def time(self, seconds: float) -> None:
        """Note how long one answer took."""
        self.buckets[bisect_left(HttpTraffic.BOUNDS, seconds)] += 1
        self.seconds += seconds


class HttpTraffic(Collector):
    """The requests of all routes."""

    BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
    _REQUESTS = Metric("tenantry_http_requests_total", "counter", ("route", "method", "code"), "Requests answered.")
    _DURATION = Metric(
        "tenantry_http_request_duration_seconds",
        "histogram",
        ("route", "method"),
        "Time from a request's head to its answer; streams are left out.",
    )
    _IN_FLIGHT = Metric(
        "tenantry_http_requests_in_flight", "gauge", (), "Requests being answered, open streams included."
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self._routes: dict[tuple[str, str], RouteTraffic] = {}
        METRICS.extend((self._REQUESTS, self._DURATION, self._IN_FLIGHT))

    def route(self, route: str, method: str) -> RouteTraffic:
        """Where the requests of ``route``, a template, are counted."""
        return self._routes.setdefault((route, method), RouteTraffic(route, method))

    def collect(self) -> Iterator[PrometheusMetric]:
        """All numbers as Prometheus takes them."""
        requests = CounterMetricFamily(self._REQUESTS.name, self._REQUESTS.help, labels=self._REQUESTS.labels)
        durations = HistogramMetricFamily(self._DURATION.name, self._DURATION.help, labels=self._DURATION.labels)
        for traffic in self._routes.values():
            for code, count in traffic.codes.items():
                requests.add_metric((*traffic.labels, str(code)), count)
            bounds = [*map(floatToGoString, self.BOUNDS), "+Inf"]
            buckets = list(zip(bounds, accumulate(traffic.buckets), strict=True))
            durations.add_metric(traffic.labels, buckets, traffic.seconds)
        yield from (requests, durations, GaugeMetricFamily(self._IN_FLIGHT.name, self._IN_FLIGHT.help, self.in_flight))


HTTP = HttpTraffic()
REGISTRY.register(HTTP)
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

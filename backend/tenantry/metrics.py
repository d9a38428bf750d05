"""Every metric, declared once with its exact labels.

Labels have closed, small value sets: a route is its template, a unit is the name of its function.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
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
    disable_created_metrics,
)
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from tenantry import __version__

# else there were a gauge beside every counter and histogram, which nobody declares
disable_created_metrics()  # type: ignore[no-untyped-call]
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


def _declare(metric: Metric) -> Metric:
    METRICS.append(metric)
    return metric


def _counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    _declare(Metric(f"{name}_total", "counter", tuple(labels), text))
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
    _declare(Metric(name, "gauge", tuple(labels), text))
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
    _declare(Metric(name, "histogram", tuple(labels), text))
    return Histogram(name, text, labels, buckets=buckets, registry=REGISTRY)


class LoopCounter(Collector):
    """A counter in plain integers, for what every request counts: only the event loop may, and needs no lock."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self._metric = _declare(Metric(f"{name}_total", "counter", labels, text))
        self._counts: dict[tuple[object, ...], int] = {}
        REGISTRY.register(self)

    def count(self, *labels: object) -> None:
        """Count one."""
        self._counts[labels] = self._counts.get(labels, 0) + 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The counts as Prometheus takes them."""
        family = CounterMetricFamily(self._metric.name, self._metric.help, labels=self._metric.labels)
        for labels, count in self._counts.items():
            family.add_metric([str(label) for label in labels], count)
        yield family


class LoopHistogram(Collector):
    """A histogram of the same sort."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], bounds: tuple[float, ...]) -> None:
        self._metric = _declare(Metric(name, "histogram", labels, text))
        self._bounds = bounds
        self._series: dict[tuple[str, ...], list[float]] = {}  # a count per bucket, and the sum
        REGISTRY.register(self)

    def series(self, *labels: str) -> Callable[[float], None]:
        """What observes a value under ``labels``."""
        bounds = self._bounds
        numbers = self._series.setdefault(labels, [0.0] * (len(bounds) + 2))

        def observe(value: float) -> None:
            numbers[bisect_left(bounds, value)] += 1
            numbers[-1] += value

        return observe

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The buckets as Prometheus takes them, of every series that has observed something."""
        family = HistogramMetricFamily(self._metric.name, self._metric.help, labels=self._metric.labels)
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for labels, (*counts, total) in self._series.items():
            if not any(counts):
                continue
            family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total)
        yield family


class LoopGauge(Collector):
    """A gauge of the same sort."""

    def __init__(self, name: str, text: str) -> None:
        self._metric = _declare(Metric(name, "gauge", (), text))
        self.value = 0
        REGISTRY.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The value as Prometheus takes it."""
        yield GaugeMetricFamily(self._metric.name, self._metric.help, self.value)


class LoopAge(Collector):
    """A gauge of the same sort: the seconds that have gone by ``since``, in epoch seconds; 0 when that is 0."""

    def __init__(self, name: str, text: str) -> None:
        self._metric = _declare(Metric(name, "gauge", (), text))
        self.since = 0.0
        REGISTRY.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The age as Prometheus takes it."""
        age = max(0.0, time.time() - self.since) if self.since else 0.0
        yield GaugeMetricFamily(self._metric.name, self._metric.help, age)


HTTP_REQUESTS = LoopCounter("tenantry_http_requests", "Requests answered.", ("route", "method", "code"))
HTTP_DURATION = LoopHistogram(
    "tenantry_http_request_duration_seconds",
    "Time from a request's head to its answer; streams are left out.",
    ("route", "method"),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0),
)
HTTP_IN_FLIGHT = LoopGauge("tenantry_http_requests_in_flight", "Requests being answered, open streams included.")
WATCHES = _gauge("tenantry_watches", "Open watches.", ("kind",))
WATCH_EVENTS = _counter("tenantry_watch_events", "Events written to watchers.", ("kind",))
DB_UNIT_SECONDS = _histogram(
    "tenantry_db_unit_duration_seconds",
    "Time of a database unit on its thread, without the wait for it; on SQLite without COMMIT, which several share.",
    ("unit", "dialect"),
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
DB_QUEUE = _gauge("tenantry_db_queue", "Database units that wait for a thread or run on one.", ("lane",))
DB_REFUSED = _counter("tenantry_db_units_refused", "Database units that never ran: full, deadline.", ("reason",))
#: code: of the database error, from the closed set in storage/retry.py
DB_RETRIES = _counter("tenantry_db_retries", "Database units that were run again.", ("code",))
LOOP_LAG = _histogram(
    "tenantry_event_loop_lag_seconds",
    "How much later than asked the event loop ran a timer.",
    (),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
AUTHENTICATIONS = LoopCounter(
    "tenantry_authentications",
    "Credentials looked at (none, key, session, token, serviceaccount), by how that ended: ok, malformed, unknown, "
    "expired, revoked, disabled, address, forged, unavailable.",
    ("method", "outcome"),
)
SIGNING_KEYS_UNREADABLE = LoopGauge(
    "tenantry_signing_keys_unreadable", "Keys for tokens that cannot be read with TENANTRY_KEY_FILE."
)
SIGN_INS = LoopCounter(
    "tenantry_sign_ins",
    "Sign-ins of people, by how that ended: ok, refused. Who has tried too often gets 429, which "
    "tenantry_http_requests_total has.",
    ("outcome",),
)
MAILS = LoopCounter("tenantry_mails", "Mails to people, by how that ended: sent, failed, dropped.", ("outcome",))
RATE_LIMITED = LoopCounter(
    "tenantry_rate_limited",
    "Requests refused because there were too many: of a credential, tenant, address, or of forms.",
    ("by",),
)
WEBHOOK_ATTEMPTS = LoopCounter(
    "tenantry_webhook_attempts",
    "Messages sent to webhooks, by how that ended: delivered, refused (an answer that is not 2xx), unreachable, "
    "unsigned (its secret cannot be read).",
    ("outcome",),
)
WEBHOOK_DROPPED = _counter("tenantry_webhook_dropped", "Messages to webhooks that found too many waiting already.")
WEBHOOK_PENDING = LoopGauge(
    "tenantry_webhook_messages_pending",
    "Messages that wait for webhooks that are enabled, as the one replica that sends finds every 30 s.",
)
WEBHOOK_OLDEST = LoopAge("tenantry_webhook_oldest_pending_seconds", "Age of the oldest of them; 0 when there is none.")
_BUILD = Info("tenantry_build", "Version of the server.", registry=REGISTRY)
_BUILD.info({"version": __version__})
_declare(Metric("tenantry_build_info", "gauge", ("version",), "Version of the server."))


def table() -> str:
    """The metrics as a Markdown table."""
    lines = ["| Metric | Type | Labels | What it counts |", "|---|---|---|---|"]
    lines += [
        f"| `{metric.name}` | {metric.type} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in METRICS
    ]
    return "\n".join(lines) + "\n"

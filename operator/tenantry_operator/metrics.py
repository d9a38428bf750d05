"""Every metric of the operator, declared once with its exact labels.

Names and labels are those of controller-runtime and client-go where they have one, so that their dashboards work.
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
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

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


def _counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    METRICS.append(Metric(f"{name}_total", "counter", tuple(labels), text))
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
    METRICS.append(Metric(name, "gauge", tuple(labels), text))
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
    METRICS.append(Metric(name, "histogram", tuple(labels), text))
    return Histogram(name, text, labels, buckets=buckets, registry=REGISTRY)


_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_QUEUE = "tenantry"  # the one work queue

QUEUE_DEPTH = _gauge("workqueue_depth", "Keys that wait for a worker.", ("name",)).labels(_QUEUE)
QUEUE_ADDS = _counter("workqueue_adds", "Keys added.", ("name",)).labels(_QUEUE)
QUEUE_RETRIES = _counter("workqueue_retries", "Keys added again after a failure.", ("name",)).labels(_QUEUE)
QUEUE_WAIT = _histogram(
    "workqueue_queue_duration_seconds", "Time a key waits for a worker.", ("name",), _DURATIONS
).labels(_QUEUE)
QUEUE_WORK = _histogram(
    "workqueue_work_duration_seconds", "Time a worker takes for a key.", ("name",), _DURATIONS
).labels(_QUEUE)
QUEUE_UNFINISHED = _gauge(
    "workqueue_unfinished_work_seconds", "Seconds spent so far on the keys being handled.", ("name",)
).labels(_QUEUE)
QUEUE_LONGEST = _gauge(
    "workqueue_longest_running_processor_seconds", "Seconds spent so far on the oldest key being handled.", ("name",)
).labels(_QUEUE)

#: controller: tenant, plan, config, cache; result: success, requeue, requeue_after, error
RECONCILES = _counter("controller_runtime_reconcile", "Keys handled, by how that ended.", ("controller", "result"))
RECONCILE_ERRORS = _counter("controller_runtime_reconcile_errors", "Keys whose handling failed.", ("controller",))
RECONCILE_SECONDS = _histogram(
    "controller_runtime_reconcile_time_seconds", "Time to handle a key.", ("controller",), _DURATIONS
)
REST_REQUESTS = _counter(
    "rest_client_requests",
    "Requests to kube-apiserver, kopf's included, by HTTP code (`<error>`: no answer).",
    ("code", "method", "host"),
)
LEADER = _gauge("leader_election_master_status", "1 while this replica holds the Lease.", ("name",))

ONBOARDING = _histogram(
    "tenantry_onboarding_seconds",
    "Time from the first sight of a new Tenant until it is Ready.",
    (),
    (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
TENANT_CONDITIONS = _gauge("tenantry_tenant_condition", "Tenants by condition and status.", ("type", "status"))
#: kind: Namespace, ResourceQuota, LimitRange
DRIFT_CORRECTED = _counter(
    "tenantry_drift_corrected", "Objects that were edited or deleted by others and are as wanted again.", ("kind",)
)
#: kind: also Tenant, Plan, Config (their status); result: changed, unchanged, failed
APPLIES = _counter("tenantry_apply", "Objects applied to the cluster, by how that ended.", ("kind", "result"))
RELISTS = _counter("tenantry_relists", "Times that everything was listed anew.")
_BUILD = _gauge("tenantry_operator_build_info", "Version of the operator.", ("version",))
_BUILD.labels(__version__).set(1)


def table() -> str:
    """The metrics as a Markdown table."""
    lines = ["| Metric | Type | Labels | What it counts |", "|---|---|---|---|"]
    lines += [
        f"| `{metric.name}` | {metric.type} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in METRICS
    ]
    return "\n".join(lines) + "\n"

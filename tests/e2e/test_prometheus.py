"""A real Prometheus in the cluster scrapes both programs by what is shipped, and sees every metric that is declared."""

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection
from urllib.parse import quote, urlencode

import pytest

from tenantry import metrics as api
from tenantry_operator import metrics as operator
from tests.chart.helm import NAMESPACE, RELEASE
from tests.image import standins
from tests.image.engine import Engine
from tests.support.installation import SECONDS, Installation
from tests.support.labels import strays
from tests.support.operator import GROUP, eventually
from tests.worktree import ROOT

pytestmark = [pytest.mark.node, pytest.mark.image, pytest.mark.timeout(900)]

FORM = "application/x-www-form-urlencoded"
IMAGE = "prom/prometheus:v3.5.0"
HOST = f"{RELEASE}.{NAMESPACE}.svc"
#: metric -> why it stays as it is while all goes well
STILL = {
    "tenantry_db_units_refused_total": "no thread was busy for too long",
    "tenantry_db_retries_total": "the database took everything at once",
    "tenantry_mails_total": "there is no mail server",
    "tenantry_webhook_attempts_total": "there is no webhook, which would need a key that encrypts its secret",
    "tenantry_webhook_messages_pending": "so nothing waits for one",
    "tenantry_webhook_oldest_pending_seconds": "nor is it old",
    "tenantry_webhook_dropped_total": "nor dropped",
    "tenantry_rate_limited_total": "nobody asked too often",
    "tenantry_signing_keys_unreadable": "the key that has encrypted them is there",
    "controller_runtime_reconcile_errors_total": "nothing failed",
    "workqueue_retries_total": "so nothing was tried again",
}
#: gauges of what is going on at the moment, which a scrape hardly ever meets
MOMENTARY = {
    "tenantry_http_requests_in_flight",
    "tenantry_db_queue",
    "workqueue_depth",
    "workqueue_unfinished_work_seconds",
    "workqueue_longest_running_processor_seconds",
}


DECLARED = {metric.name: (metric.type, metric.labels) for metric in api.METRICS}
DECLARED |= {metric.name: (metric.type, metric.labels) for metric in operator.METRICS}
#: labels that Prometheus gives
SCRAPED = {"__name__", "job", "instance", "component"}


class Prometheus:
    """What can be asked of it."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}:9090/api/v1"

    def series(self, query: str) -> list[dict[str, str]]:
        """The labels of every series that a query finds now."""
        with urllib.request.urlopen(f"{self._url}/query?query={quote(query)}") as answer:  # noqa: S310
            return [each["metric"] for each in json.load(answer)["data"]["result"]]


@pytest.fixture(scope="module")
def prometheus(installation: Installation, engine: Engine) -> Iterator[Prometheus]:
    """Prometheus with the configuration for a cluster."""
    node = installation.node
    node.load(standins.archive(IMAGE, engine))
    node.kubectl("create", "namespace", "monitoring")
    there = "--namespace=monitoring"
    node.kubectl("create", "configmap", "prometheus", there, f"--from-file={ROOT / 'k8s' / 'prometheus'}")
    node.kubectl("apply", f"--filename={ROOT / 'tests' / 'e2e' / 'prometheus.yaml'}")
    node.kubectl("wait", "--for=condition=Ready", "pod/prometheus", there, f"--timeout={SECONDS}s")
    yield Prometheus(node.kubectl("get", "pod/prometheus", there, "--output=jsonpath={.status.podIP}").stdout)
    node.kubectl("delete", "namespace", "monitoring")


@pytest.fixture
def life(installation: Installation) -> Iterator[None]:
    """Somebody who watches the plans, a stranger who tries a password, and an intruder in a tenant's namespace."""
    try_a_password(installation)
    headers = {"Host": HOST, "Authorization": f"Bearer {installation.key('watcher')}"}
    with closing(HTTPConnection(installation.address(), timeout=SECONDS)) as connection:
        connection.request("GET", f"{GROUP}/plans?watch=true", headers=headers)
        assert b'"ADDED"' in connection.getresponse().readline()
        installation.node.kubectl("delete", "resourcequota/tenantry", "--namespace=globex-main")
        yield


def try_a_password(installation: Installation) -> None:
    """Send the form of the login page for somebody who has no account."""
    with closing(HTTPConnection(installation.address(), timeout=SECONDS)) as connection:
        connection.request("GET", "/login", headers={"Host": HOST})
        page = connection.getresponse()
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        token = re.search(r'name="csrf" value="(\w+)"', page.read().decode())
        assert token
        form = urlencode({"csrf": token[1], "email": "nobody@example.com", "password": "four unrelated old words"})
        headers = {"Host": HOST, "Cookie": cookie, "Origin": f"http://{HOST}", "Content-Type": FORM}
        connection.request("POST", "/login", form, headers)
        assert connection.getresponse().status == HTTPStatus.UNPROCESSABLE_ENTITY


def test_every_declared_metric_is_there_and_has_moved(
    installation: Installation, prometheus: Prometheus, life: None
) -> None:
    del life
    pods = len(installation.pods("api") + installation.pods("operator"))
    eventually(lambda: len(prometheus.series('up{job="tenantry"} == 1')) == pods, "all pods are scraped", 120)
    assert {each["component"] for each in prometheus.series("up")} == {"api", "operator"}
    assert DECLARED.keys() >= STILL.keys() | MOMENTARY
    for name, (kind, labels) in DECLARED.items():
        moved = name if name in MOMENTARY else f"{name}{'_count' * (kind == 'histogram')} > 0"
        if name in STILL:
            assert prometheus.series(moved) == [], STILL[name]
        else:
            found = eventually(partial(prometheus.series, moved), moved, 120)
            assert found[0].keys() - SCRAPED == set(labels), name


@pytest.mark.parametrize("component", ["api", "operator"])
def test_no_label_says_what_only_one_object_would(installation: Installation, component: str) -> None:
    for pod in installation.pods(component):
        assert strays(installation.metrics(pod)) == []

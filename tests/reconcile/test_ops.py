"""The port for metrics and probes, the logs, and the end of the process."""

import os
import re
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tenantry_operator import metrics
from tests.support.operator import Site, eventually, tenant

pytestmark = pytest.mark.cluster


def test_declared_metrics_are_exposed_and_move(site: Site) -> None:
    look = site.operator.metric
    onboarded, adds = look("tenantry_onboarding_seconds_count"), look("workqueue_adds_total")
    applied = look("tenantry_apply_total", kind="ResourceQuota", result="changed")
    handled = look("controller_runtime_reconcile_time_seconds_count", controller="tenant")
    ready = look("tenantry_tenant_condition", type="Ready", status="True")
    site.apply(tenant("metered"))
    site.wait("tenant/metered", "--for=condition=Ready")
    eventually(lambda: look("tenantry_tenant_condition", type="Ready", status="True") == ready + 1, "it is counted")
    assert look("tenantry_onboarding_seconds_count") == onboarded + 1
    assert look("workqueue_adds_total", name="tenantry") > adds
    assert look("tenantry_apply_total", kind="ResourceQuota", result="changed") == applied + 1
    assert look("controller_runtime_reconcile_time_seconds_count", controller="tenant") > handled
    assert look("rest_client_requests_total", code="201", method="PATCH") > 0
    assert look("leader_election_master_status", name="tenantry-operator") == 1
    site.delete("tenants", "metered")
    site.until_gone("tenants", "metered")
    eventually(lambda: look("tenantry_tenant_condition", type="Ready", status="True") == ready, "it is not any more")
    _, text = site.operator.ops.send("GET", "/metrics")
    families = {family.name for family in text_string_to_metric_families(text)}
    assert {metric.name.removesuffix("_total") for metric in metrics.METRICS} <= families
    for family in text_string_to_metric_families(text):
        declared = next((each for each in metrics.METRICS if each.name.removesuffix("_total") == family.name), None)
        for sample in family.samples if declared else ():
            assert declared
            assert sample.labels.keys() - {"le"} == set(declared.labels), sample
    assert "metered" not in text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
def test_probes_answer(site: Site, path: str) -> None:
    assert site.operator.ops.send("GET", path) == (200, "ok\n")


def test_a_log_line_is_one_document_that_says_whose_work_it_is(site: Site) -> None:
    site.apply(tenant("logged", "nosuch"))
    site.until("tenants", "logged", "Ready", "False", "PlanNotFound")

    def told() -> list[dict[str, str]]:
        return [line for line in site.operator.lines if line["message"].startswith("Tenant logged: ")]

    (line,) = eventually(told, "the log tells it")
    assert line.keys() == {"ts", "level", "logger", "message", "request_id", "actor"}
    assert line["level"] == "warning"
    assert line["actor"] == "operator/operator-1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["ts"])
    log = (site.api.folder / "server.log").read_text()
    assert f'"request_id":"{line["request_id"]}"' in log, "the API logs what was asked of it under the same id"


def test_at_sigterm_it_finishes_and_gives_the_lease_back(site: Site) -> None:
    site.apply(*(tenant(f"late{number}") for number in range(5)))
    assert site.operator.stop() == 0
    ours = [line for line in site.operator.lines if line["logger"] != "asyncio"]  # kopf leaves generators open
    assert ours[-1]["message"] == "stopped"
    assert not [line for line in ours if line["level"] in ("error", "critical")]
    lease = site.kube.get("/apis/coordination.k8s.io/v1/namespaces/tenantry-system/leases/tenantry-operator")
    assert not lease["spec"].get("holderIdentity")
    site.operator.start()
    site.wait(" ".join(f"tenant/late{number}" for number in range(5)), "--for=condition=Ready")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TENANTRY_API_URL", "", "TENANTRY_API_URL: Field required"),
        ("TENANTRY_CLUSTER", "Not A Name", "TENANTRY_CLUSTER: "),
        ("TENANTRY_OPS_PORT", "nine", "TENANTRY_OPS_PORT: "),
        ("KUBECONFIG", "/nonexistent", "the kubeconfig cannot be used"),
    ],
)
def test_a_wrong_setting_is_one_line(name: str, value: str, said: str) -> None:
    right = {"KUBECONFIG": "/nonexistent", "TENANTRY_API_URL": "http://127.0.0.1:1", "TENANTRY_CLUSTER": "east"}
    environment = os.environ | right | {"TENANTRY_API_TOKEN_FILE": os.devnull, "TENANTRY_OPS_PORT": "0", name: value}
    command = [sys.executable, "-m", "tenantry_operator", "run"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr

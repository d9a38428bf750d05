"""What the operator does while something that it needs is away, and after it was killed itself."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.operator import (
    APPLY,
    CLUSTER,
    GROUP,
    LEASE,
    NAMESPACE,
    OPERATOR,
    Operator,
    Site,
    config,
    eventually,
    plan,
    tenant,
)

pytestmark = pytest.mark.cluster


@contextmanager
def api_away(site: Site) -> Iterator[None]:
    """The API's port refuses connections inside."""
    site.api.kill()
    try:
        yield
    finally:
        site.api.start()


def names(site: Site, plural: str) -> set[str]:
    """The names of all objects of a kind of the core group."""
    listed = site.kube.get(f"/api/v1/{plural}")["items"]
    return {f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}" for item in listed}


def test_without_the_api_nothing_is_deleted_and_the_cluster_is_served(site: Site) -> None:
    site.apply(tenant("known", deletionPolicy="Delete"), tenant("leaving", deletionPolicy="Delete"), plan("idle"))
    site.apply(config("away", {"global": {}}, configSet="away", values={"a": 1}))
    site.wait("tenant/known tenant/leaving", "--for=condition=Ready")
    site.until("configs", "away", "Ready", "True", namespace=NAMESPACE)
    before = names(site, "namespaces")
    with api_away(site):
        site.apply(tenant("stranger"))
        site.until("tenants", "stranger", "RecordSynced", "False", "DatabaseUnavailable")
        site.until("tenants", "stranger", "Ready", "False", "DatabaseUnavailable")
        site.patch("tenants", "known", {"spec": {"namespaces": [{"name": "prod"}, {"name": "dev"}]}})
        site.until("tenants", "known", "RecordSynced", "False", "DatabaseUnavailable")
        eventually(lambda: site.get("resourcequotas", "tenantry", "known-dev"), "a known tenant is served")
        site.delete("resourcequotas", "tenantry", "known-prod")
        eventually(lambda: site.get("resourcequotas", "tenantry", "known-prod"), "and repaired")
        site.delete("tenants", "leaving")
        site.until("tenants", "leaving", "DeletionBlocked", "True", "DatabaseUnavailable")
        site.delete("plans", "idle")
        site.until("plans", "idle", "DeletionBlocked", "True", "DatabaseUnavailable")
        site.delete("configs", "away", NAMESPACE)
        site.until("configs", "away", "DeletionBlocked", "True", "DatabaseUnavailable", NAMESPACE)
        assert site.get("namespaces", "stranger-prod") is None
        assert names(site, "namespaces") == before | {"/known-dev"}
        assert (site.get("namespaces", "leaving-prod") or {})["status"]["phase"] == "Active"
        assert site.operator.ops.send("GET", "/livez")[0] == 200
    for name in ("stranger", "known"):
        site.until("tenants", name, "Ready", "True")
    site.until_gone("tenants", "leaving")
    site.until_gone("plans", "idle")
    site.until_gone("configs", "away", NAMESPACE)
    assert site.api.admin.get(f"{GROUP}/tenants/known")["spec"]["namespaces"][1]["name"] == "dev"
    assert site.api.admin.get(f"{GROUP}/tenants/leaving") is None


def test_finalized_by_force_without_the_api(site: Site) -> None:
    site.apply(tenant("forced"))
    site.wait("tenant/forced", "--for=condition=Ready")
    tenant_id = (site.get("tenants", "forced") or {})["status"]["tenantID"]
    with api_away(site):
        site.delete("tenants", "forced")
        site.until("tenants", "forced", "DeletionBlocked", "True", "DatabaseUnavailable")
        site.patch("tenants", "forced", {"metadata": {"annotations": {"tenantry.dev/force-finalize": "another"}}})
        eventually(site.operator.is_idle, "the operator is idle")
        assert site.get("tenants", "forced")
        site.patch("tenants", "forced", {"metadata": {"annotations": {"tenantry.dev/force-finalize": tenant_id}}})
        site.until_gone("tenants", "forced")
        assert (site.get("namespaces", "forced-prod") or {})["status"]["phase"] == "Active"
    assert site.api.admin.get(f"{GROUP}/tenants/forced")


def test_a_kube_apiserver_that_restarts_is_caught_up_with(site: Site) -> None:
    site.apply(tenant("during"))
    site.wait("tenant/during", "--for=condition=Ready")
    site.settle()
    before, process = site.versions(), site.operator.program.pid
    site.plane.restart_apiserver()
    site.delete("resourcequotas", "tenantry", "during-prod")
    eventually(lambda: site.get("resourcequotas", "tenantry", "during-prod"), "a deleted quota comes back")
    site.settle()
    changed = {path for path, *_ in site.versions() ^ before if "events" not in path}
    assert changed == {"/api/v1/resourcequotas: during-prod/tenantry"}
    assert site.operator.program.alive()
    assert site.operator.program.pid == process


def test_a_kube_apiserver_that_is_away_for_long_costs_the_lease(site: Site) -> None:
    site.apply(tenant("longer"))
    site.wait("tenant/longer", "--for=condition=Ready")
    site.settle()
    before = site.versions()
    token = site.operator.kubeconfig()
    site.plane.stop_apiserver()
    try:
        eventually(lambda: not site.operator.program.alive(), "it has ended: another one may be working")
        site.operator.start(token)
        eventually(lambda: site.operator.ops.send("GET", "/readyz")[0] == 503, "it says that it cannot work")
        assert site.operator.ops.send("GET", "/livez")[0] == 200
    finally:
        site.plane.start_apiserver()
    eventually(lambda: site.operator.ops.send("GET", "/readyz")[0] == 200, "it works again")
    site.operator.catch_up(lists=2)
    assert site.versions() ^ before == set()


def test_killed_in_the_middle_it_goes_on_where_it_was(site: Site) -> None:
    wanted = [f"burst{number}" for number in range(12)]
    entries = [{"name": "a"}, {"name": "b"}]
    for _ in range(3):
        site.apply(*(tenant(name, namespaces=entries) for name in wanted))
        eventually(lambda: any(name.startswith("/burst") for name in names(site, "namespaces")), "work has begun")
        site.operator.kill()
        site.operator.start()
        entries = [{"name": "a"}, {"name": f"{entries[1]['name']}x"}]
    site.wait(" ".join(f"tenant/{name}" for name in wanted), "--for=condition=Ready")
    made = names(site, "resourcequotas")
    assert {f"{name}-{entry}/tenantry" for name in wanted for entry in ("a", "bxx")} <= made
    stored = {item["metadata"]["name"]: item for item in site.api.admin.get(f"{GROUP}/tenants")["items"]}
    for name in wanted:
        shown = site.get("tenants", name)
        assert shown
        assert shown["status"]["namespacesReady"] == "2/2"
        assert stored[name]["status"]["tenantID"] == shown["status"]["tenantID"]
    for name in wanted:
        site.delete("tenants", name)
    site.operator.kill()
    site.operator.start()
    for name in wanted:
        site.until_gone("tenants", name)
        assert site.api.admin.get(f"{GROUP}/tenants/{name}") is None


def test_deleted_while_no_operator_knew_the_namespaces_yet(site: Site) -> None:
    site.apply(tenant("halfway"))
    site.wait("tenant/halfway", "--for=condition=Ready")
    site.operator.kill()
    document = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "halfway"}}
    path = f"{GROUP}/tenants/halfway/status?fieldManager=tenantry&force=true"
    site.kube.do("PATCH", path, document, APPLY)  # as if it had been killed before it wrote the status
    assert "tenantID" not in ((site.get("tenants", "halfway") or {}).get("status") or {})
    site.delete("tenants", "halfway")
    site.operator.start()
    site.until_gone("tenants", "halfway")
    labels = (site.get("namespaces", "halfway-prod") or {})["metadata"]["labels"]
    assert labels["tenantry.dev/detached"] == "halfway"


def test_of_two_replicas_one_works(site: Site) -> None:
    first, second = site.operator, site.replica("operator-2")
    second.start()
    try:
        site.apply(tenant("shared"))
        site.wait("tenant/shared", "--for=condition=Ready")
        assert is_leader(first)
        assert not is_leader(second)
        assert second.writes() == second.handled() == 0
        assert second.ops.send("GET", "/readyz")[0] == 200
        assert first.stop() == 0
        eventually(lambda: is_leader(second), "the second has taken over")
        first.start()
        site.patch("tenants", "shared", {"spec": {"namespaces": [{"name": "other"}]}})
        eventually(lambda: site.get("resourcequotas", "tenantry", "shared-other"), "the second works")
        assert first.handled() == 0
        assert site.lease()["spec"]["holderIdentity"] == "operator-2"
    finally:
        second.stop()
    eventually(lambda: is_leader(first), "the first has taken over again")


def is_leader(operator: Operator) -> bool:
    """Whether a replica says that it holds the Lease."""
    return operator.metric("leader_election_master_status", name=OPERATOR) == 1


def test_one_that_lost_its_lease_ends_at_once(site: Site) -> None:
    taken = {"holderIdentity": "somebody", "leaseDurationSeconds": 1}
    site.kube.do("PATCH", LEASE, {"spec": taken}, "application/merge-patch+json")
    eventually(lambda: not site.operator.program.alive(), "it has ended")
    assert site.operator.program.process.returncode == 1
    assert any(line["level"] == "critical" and "Lease" in line["message"] for line in site.operator.lines)
    site.operator.start()
    eventually(lambda: is_leader(site.operator), "it waited until the other was gone")


def test_a_rotated_token_is_read_again(site: Site) -> None:
    good = site.operator.token_file.read_text()
    site.operator.renew_token("not.a.token")
    site.apply(tenant("rotated"))
    shown = site.until("tenants", "rotated", "RecordSynced", "False", "Unauthenticated")
    assert good not in json.dumps(shown)
    assert site.get("namespaces", "rotated-prod") is None
    site.operator.renew_token()
    site.until("tenants", "rotated", "Ready", "True")
    assert good not in site.operator.log.read_text()


@pytest.mark.parametrize(
    ("account", "audience", "cluster", "code"),
    [
        (OPERATOR, "tenantry-api", CLUSTER, 200),
        (OPERATOR, None, CLUSTER, 401),
        (OPERATOR, "vault", CLUSTER, 401),
        ("default", "tenantry-api", CLUSTER, 401),
        (OPERATOR, "tenantry-api", "west", 403),
    ],
    ids=["its own", "of kube-apiserver", "of another audience", "of another account", "of another cluster"],
)
def test_only_its_own_token_is_taken(site: Site, account: str, audience: str | None, cluster: str, code: int) -> None:
    token = site.plane.service_account_token(NAMESPACE, account, audience)
    pro = site.get("plans", "pro")
    assert pro
    metadata, instance = pro["metadata"], site.lease()["metadata"]["annotations"]["tenantry.dev/instance"]
    body = {"instance": instance, "uid": metadata["uid"], "generation": metadata["generation"], "spec": pro["spec"]}
    answered, answer = site.api.as_operator(token).send("PUT", f"/v1/clusters/{cluster}/plans/pro", body)
    assert answered == code, answer


def test_it_may_do_no_more_than_it_needs(site: Site) -> None:
    operator = site.plane.kubeconfig_for(NAMESPACE, OPERATOR)
    for verb, what, namespace, allowed in (
        ("patch", "tenants/status", "", True),
        ("delete", "namespaces", "", True),
        ("delete", "tenants", "", False),
        ("create", "tenants", "", False),
        ("get", "secrets", "default", False),
        ("list", "pods", "default", False),
        ("create", "rolebindings", "default", False),
        ("escalate", "clusterroles", "", False),
        ("update", "leases", "default", False),
    ):
        arguments = ["auth", "can-i", verb, what, *(["-n", namespace] if namespace else [])]
        answer = site.plane.kubectl(*arguments, check=False, kubeconfig=operator).stdout.strip()
        assert answer == ("yes" if allowed else "no"), arguments

"""Another database behind the API's address: nothing is written to it and nothing in the cluster is touched."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.operator import GROUP, LEASE, MERGE, NAMESPACE, Site, config, eventually, plan, tenant

pytestmark = pytest.mark.cluster
ANNOTATION = "tenantry.dev/instance"


@contextmanager
def another_database(site: Site) -> Iterator[None]:
    """The API's database is a new and empty one inside; the operator is restarted, and so has only the Lease."""
    kept = site.api.folder.with_name("kept")
    site.operator.stop()
    site.api.kill()
    site.api.folder.rename(kept)
    site.api.folder.mkdir()
    site.api.start()
    site.operator.start()
    try:
        yield
    finally:
        site.api.kill()
        shutil.rmtree(site.api.folder)
        kept.rename(site.api.folder)
        site.api.start()


def remembered(site: Site) -> str:
    """What the Lease says."""
    return str(site.lease()["metadata"].get("annotations", {}).get(ANNOTATION, ""))


def move(site: Site, name: str) -> None:
    """Tell the operator that the database is another one on purpose, as k8s/README.md says."""
    site.kube.do("PATCH", LEASE, {"metadata": {"annotations": {ANNOTATION: None}}}, MERGE)

    def look() -> str:
        site.patch("tenants", name, {"metadata": {"annotations": {"looked": str(time.monotonic())}}})
        return remembered(site)

    eventually(look, "the operator remembers another one")


def test_an_empty_database_costs_no_namespace(site: Site) -> None:
    site.apply(plan("steady"), tenant("steady", "steady", deletionPolicy="Delete"))
    site.apply(tenant("doomed", deletionPolicy="Delete"), config("steady", {"global": {}}, configSet="steady"))
    site.wait("tenant/steady tenant/doomed", "--for=condition=Ready")
    site.until("configs", "steady", "Ready", "True", namespace=NAMESPACE)
    instance, namespace = remembered(site), site.get("namespaces", "doomed-prod")
    assert instance
    assert namespace
    with another_database(site):
        site.delete("tenants", "doomed")
        site.apply(tenant("newcomer"))
        site.until("tenants", "steady", "RecordSynced", "False", "WrongInstance")
        site.until("tenants", "newcomer", "RecordSynced", "False", "WrongInstance")
        shown = site.until("tenants", "doomed", "DeletionBlocked", "True", "WrongInstance")
        assert instance in shown["message"]
        site.until("plans", "steady", "Ready", "False", "WrongInstance")
        site.until("configs", "steady", "Ready", "False", "WrongInstance", NAMESPACE)
        site.delete("plans", "steady")
        site.until("plans", "steady", "DeletionBlocked", "True", "WrongInstance")
        site.delete("configs", "steady", NAMESPACE)
        site.until("configs", "steady", "DeletionBlocked", "True", "WrongInstance", NAMESPACE)
        eventually(site.operator.is_idle, "the operator is idle")
        assert remembered(site) == instance
        assert site.get("namespaces", "doomed-prod") == namespace
        assert site.get("resourcequotas", "tenantry", "doomed-prod")
        assert site.get("namespaces", "newcomer-prod") is None
        for plural in ("tenants", "plans", "configs"):
            assert site.api.admin.get(f"{GROUP}/{plural}")["items"] == []
    site.operator.stop()
    site.operator.start()
    site.until_gone("namespaces", "doomed-prod")
    site.until_gone("tenants", "doomed")
    site.until_gone("configs", "steady", NAMESPACE)
    site.until("tenants", "newcomer", "Ready", "True")
    site.delete("tenants", "steady")
    site.until_gone("plans", "steady")


def test_it_is_remembered_without_an_election(site: Site) -> None:
    site.operator.stop()
    site.kube.do("DELETE", LEASE)
    alone = site.replica("alone", TENANTRY_LEADER_ELECTION="Disabled")
    alone.start()
    try:
        eventually(lambda: site.kube.get(LEASE) and remembered(site), "the Lease is there and says it")
    finally:
        alone.stop()
    assert not site.lease()["spec"].get("holderIdentity")
    site.operator.start()
    site.operator.catch_up()


def test_a_move_is_one_command_and_every_tenant_keeps_its_identity(site: Site) -> None:
    site.apply(tenant("mobile", hostnames=["mobile.example.com"]))
    site.wait("tenant/mobile", "--for=condition=Ready")
    site.settle()
    instance, before = remembered(site), site.get("namespaces", "mobile-prod")
    tenant_id = (site.get("tenants", "mobile") or {})["status"]["tenantID"]
    with another_database(site):
        site.until("tenants", "mobile", "RecordSynced", "False", "WrongInstance")
        move(site, "mobile")
        assert remembered(site) != instance
        site.until("tenants", "mobile", "Ready", "True")
        assert site.api.admin.get(f"{GROUP}/tenants/mobile")["status"]["tenantID"] == tenant_id
        assert site.get("namespaces", "mobile-prod") == before
    move(site, "mobile")
    assert remembered(site) == instance
    site.operator.stop()
    site.operator.start()
    site.settle()

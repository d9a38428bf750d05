"""Another database behind the API's address: nothing is written to it and nothing in the cluster is touched."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.operator import GROUP, LEASE, NAMESPACE, Site, config, eventually, plan, tenant

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

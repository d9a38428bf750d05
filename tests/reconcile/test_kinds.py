"""The kinds themselves go, and with them every object: an uninstallation gone wrong must not cost a tenant anything."""

import pytest

from tests.support.operator import CLUSTER, GROUP, NAMESPACE, Site, config, eventually, install, plan, tenant

pytestmark = pytest.mark.cluster
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def test_nothing_of_a_tenant_is_touched_and_it_comes_back_as_it_was(site: Site) -> None:
    site.apply(tenant("orphan", deletionPolicy="Delete"))
    site.apply(config("orphaned", {"global": {}}, configSet="orphan", values={"a": 1}))
    site.wait("tenant/orphan", "--for=condition=Ready")
    site.until("configs", "orphaned", "Ready", "True", namespace=NAMESPACE)
    before, namespace = site.get("tenants", "orphan"), site.get("namespaces", "orphan-prod")
    assert before
    paths = [f"{DEFINITIONS}/{plural}.tenantry.dev" for plural in ("tenants", "configs", "plans")]
    for path in paths:
        site.kube.do("DELETE", path)
    for path in paths:
        eventually(lambda path=path: site.kube.get(path) is None, f"{path} is gone")  # type: ignore[misc]
    assert site.get("namespaces", "orphan-prod") == namespace
    assert site.get("resourcequotas", "tenantry", "orphan-prod")
    assert site.api.admin.get(f"{GROUP}/tenants/orphan")
    assert site.api.admin.get(f"{GROUP}/namespaces/{CLUSTER}.{NAMESPACE}/configs/orphaned")
    assert site.api.admin.get(f"{GROUP}/plans/pro")
    site.operator.kill()  # without its kinds it may end by itself, and whoever runs it starts it again
    install(site.plane)
    site.operator.start()
    site.apply(plan("pro"), tenant("orphan", deletionPolicy="Delete"))
    site.until("tenants", "orphan", "Ready", "True")
    after = site.get("tenants", "orphan")
    assert after
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["status"]["tenantID"] == before["status"]["tenantID"]
    assert after["status"]["namespaces"] == before["status"]["namespaces"]
    site.delete("resourcequotas", "tenantry", "orphan-prod")
    eventually(lambda: site.get("resourcequotas", "tenantry", "orphan-prod"), "the operator watches as before")
    site.patch("plans", "pro", {"spec": {"displayName": "Pro again"}})
    site.wait("plan/pro", "--for=jsonpath={.status.revision}=2")

"""A Plan of a real cluster: it limits the tenants on it, and stays for as long as there are any."""

import pytest

from tests.support.operator import GROUP, Site, eventually, plan, tenant

pytestmark = pytest.mark.cluster


def pods(site: Site, namespace: str) -> str:
    """The quota of pods in a namespace, empty while there is none."""
    quota = site.get("resourcequotas", "tenantry", namespace)
    return str(quota["spec"]["hard"].get("pods", "")) if quota else ""


def test_an_edit_reaches_the_tenants_on_it_and_no_other(site: Site) -> None:
    site.apply(plan("small", quota={"hard": {"pods": "10"}}), tenant("tiny", "small"), tenant("large"))
    site.wait("tenant/tiny tenant/large", "--for=condition=Ready")
    site.wait("plan/small", "--for=jsonpath={.status.tenants}=1")
    untouched = site.get("resourcequotas", "tenantry", "large-prod")
    site.patch("plans", "small", {"spec": {"quota": {"hard": {"pods": "20"}}, "limits": None}})
    eventually(lambda: pods(site, "tiny-prod") == "20", "the quota follows")
    site.until_gone("limitranges", "tenantry", "tiny-prod")
    site.wait("tenant/tiny", "--for=jsonpath={.status.plan.revision}=2")
    site.until("tenants", "tiny", "Ready", "True")
    assert site.get("resourcequotas", "tenantry", "large-prod") == untouched
    assert site.api.admin.get(f"{GROUP}/plans/small")["status"]["revision"] == 2


def test_a_missing_plan_is_told_and_its_coming_cures_it(site: Site) -> None:
    site.apply(tenant("early", "late"))
    shown = site.until("tenants", "early", "Ready", "False", "PlanNotFound")
    assert shown["message"].startswith("spec.planRef.name: ")
    assert site.condition("tenants", "early", "Stalled")["status"] == "True"
    assert site.get("namespaces", "early-prod") is None
    site.apply(plan("late"))
    site.until("tenants", "early", "Ready", "True")
    assert site.condition("tenants", "early", "Stalled") == {}
    assert pods(site, "early-prod") == "100"


def test_a_tenant_changes_its_plan(site: Site) -> None:
    site.apply(plan("from"), plan("to", quota={"hard": {"pods": "30"}}), tenant("mover", "from"))
    site.wait("tenant/mover", "--for=condition=Ready")
    site.wait("plan/from", "--for=jsonpath={.status.tenants}=1")
    site.patch("tenants", "mover", {"spec": {"planRef": {"name": "to"}}})
    eventually(lambda: pods(site, "mover-prod") == "30", "the quota is that of the new plan")
    site.wait("plan/to", "--for=jsonpath={.status.tenants}=1")
    site.wait("plan/from", "--for=jsonpath={.status.tenants}=0")


def test_a_tenant_beyond_its_plan_is_told_so(site: Site) -> None:
    site.apply(plan("narrow"), tenant("beyond", "narrow", quota={"hard": {"pods": "500"}}))
    site.until("tenants", "beyond", "WithinPlan", "False", "ExceedsPlan")
    eventually(lambda: pods(site, "beyond-prod") == "100", "the quota is the plan's")
    site.apply(plan("narrow", quota={"hard": {"pods": "600"}}))
    site.until("tenants", "beyond", "Ready", "True")
    eventually(lambda: pods(site, "beyond-prod") == "500", "the quota is the tenant's own")
    site.apply(plan("narrow"))
    site.until("tenants", "beyond", "Ready", "False", "ExceedsPlan")


def test_a_plan_in_use_stays_until_its_last_tenant_goes(site: Site) -> None:
    site.apply(plan("used"), tenant("user", "used"))
    site.wait("tenant/user", "--for=condition=Ready")
    site.delete("plans", "used")
    site.until("plans", "used", "DeletionBlocked", "True", "InUse")
    site.patch("namespaces", "user-prod", {"metadata": {"labels": {"tenantry.dev/tenant": None}}})
    eventually(lambda: "tenantry.dev/tenant" in labels(site, "user-prod"), "its tenants are still served")
    site.delete("tenants", "user")
    site.until_gone("tenants", "user")
    site.until_gone("plans", "used")
    assert site.api.admin.get(f"{GROUP}/plans/used") is None


def labels(site: Site, namespace: str) -> dict[str, str]:
    """The labels of a namespace."""
    return dict((site.get("namespaces", namespace) or {})["metadata"]["labels"])


def test_a_plan_that_vanishes_changes_nothing_in_the_cluster(site: Site) -> None:
    site.apply(plan("fleeting"), tenant("left", "fleeting"))
    site.wait("tenant/left", "--for=condition=Ready")
    before = site.get("resourcequotas", "tenantry", "left-prod")
    site.delete("plans", "fleeting")
    site.until("plans", "fleeting", "DeletionBlocked", "True")
    site.patch("plans", "fleeting", {"metadata": {"finalizers": None}})
    site.until("tenants", "left", "NamespacesReady", "False", "PlanNotFound")
    assert site.get("resourcequotas", "tenantry", "left-prod") == before

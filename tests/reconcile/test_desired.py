"""What is wanted for a Tenant, as pure functions of its spec and its plan's."""

from typing import Any

import pytest

from tenantry.model import allowance
from tenantry.model.plan import PlanSpec
from tenantry.model.quantity import share
from tenantry.model.status import Check
from tenantry.model.tenant import TenantNamespace, TenantSpec
from tenantry_operator import cache, conditions
from tenantry_operator.errors import Again
from tenantry_operator.objects import Object, tenant_key
from tenantry_operator.tenant import limits, namespace, quota, status
from tenantry_operator.tenant.namespace import Place
from tenantry_operator.tenant.status import Outcome

ID = "01890000-0000-7000-8000-000000000001"
OURS = {
    "app.kubernetes.io/managed-by": "tenantry",
    "tenantry.dev/tenant": "acme",
    "tenantry.dev/tenant-id": ID,
}


def tenant(**spec: Any) -> TenantSpec:
    return TenantSpec.model_validate({"displayName": "Acme", "planRef": {"name": "pro"}} | spec)


def plan(**spec: Any) -> PlanSpec:
    return PlanSpec.model_validate({"displayName": "Pro"} | spec)


def test_namespace() -> None:
    entry = {"name": "prod", "labels": {"team": "a"}, "annotations": {"note": "b"}}
    wanted = TenantNamespace.model_validate(entry)
    security = namespace.security_of(tenant(podSecurity={"enforce": "baseline", "version": "v1.30"}), plan())
    assert namespace.desired("acme", ID, wanted, security) == {
        "metadata": {
            "name": "acme-prod",
            "labels": {
                "team": "a",
                "pod-security.kubernetes.io/enforce": "restricted",  # never less strict than the plan's
                "pod-security.kubernetes.io/enforce-version": "v1.30",
                "pod-security.kubernetes.io/warn": "restricted",
                "pod-security.kubernetes.io/warn-version": "v1.30",
                **OURS,
            },
            "annotations": {"note": "b"},
        }
    }


def test_quota() -> None:
    own, ceiling = (
        {"requests.cpu": "1500m", "pods": "7", "secrets": "9"},
        {"requests.cpu": "2", "pods": "5", "services": 3},
    )
    amounts = allowance.effective(tenant(quota={"hard": own}), plan(quota={"hard": ceiling}))
    assert quota.desired("acme-prod", OURS, amounts, 70) == {
        "metadata": {"name": "tenantry", "namespace": "acme-prod", "labels": OURS},
        "spec": {"hard": {"pods": "3", "requests.cpu": "1050m", "secrets": "6", "services": "2"}},
    }
    assert quota.desired("acme-prod", OURS, {}, 100) is None


@pytest.mark.parametrize(
    ("shares", "percents"),
    [
        ([None], [100]),
        ([None, None, None], [33, 33, 33]),
        ([70, None], [70, 30]),
        ([50, None, None], [50, 25, 25]),
        ([100, None], [100, 0]),
        ([20, 30], [20, 30]),
    ],
)
def test_shares(shares: list[int | None], percents: list[int]) -> None:
    entries = [
        {"name": f"n{number}"} | ({"share": share} if share is not None else {}) for number, share in enumerate(shares)
    ]
    found = quota.percents(tenant(namespaces=entries).namespaces or ())
    assert list(found.values()) == percents


def test_limits() -> None:
    of_plan = plan(limits={"default": {"cpu": "500m", "memory": "1Gi"}, "defaultRequest": {"cpu": "50m"}})
    own = tenant(limits={"defaultRequest": {"cpu": "20m"}})
    assert limits.desired("acme-prod", OURS, limits.effective(own, of_plan)) == {
        "metadata": {"name": "tenantry", "namespace": "acme-prod", "labels": OURS},
        "spec": {
            "limits": [
                {
                    "type": "Container",
                    "default": {"cpu": "500m", "memory": "1Gi"},
                    "defaultRequest": {"cpu": "20m", "memory": "1Gi"},
                }
            ]
        },
    }
    assert limits.desired("acme-prod", OURS, limits.effective(tenant(), plan())) is None


def an_object(old: dict[str, Any] | None = None) -> Object:
    metadata = {"name": "acme", "uid": "u", "generation": 4}
    return Object(tenant_key("acme"), {"metadata": metadata, "spec": {}, "status": old or {}})


def test_conditions() -> None:
    since = "2026-01-01T00:00:00Z"
    old = {"conditions": [{"type": "Ready", "status": "False", "reason": "Old", "lastTransitionTime": since}]}
    failed = Check("Ready", ok=False, reason="New", message="why")
    composed = conditions.compose([failed], Again.SOON, an_object(old))
    assert [(each["type"], each["status"], each["reason"]) for each in composed] == [
        ("Ready", "False", "New"),
        ("Reconciling", "True", "New"),
    ]
    assert composed[0]["lastTransitionTime"] == since
    assert composed[1]["lastTransitionTime"] > since
    assert {each["observedGeneration"] for each in composed} == {4}
    assert [each["type"] for each in conditions.compose([failed], Again.LATER, an_object())] == ["Ready", "Stalled"]
    well = Check("Ready", ok=True, reason="Ready")
    assert [each["type"] for each in conditions.compose([well], Again.SOON, an_object())] == ["Ready"]


def test_status_keeps_what_nobody_could_find_out() -> None:
    known = {"type": "PlanResolved", "status": "True", "reason": "Resolved", "message": "", "lastTransitionTime": "t"}
    old = {"tenantID": ID, "plan": {"name": "pro", "revision": 3}, "namespacesReady": "1/1", "conditions": [known]}
    away = Check("RecordSynced", ok=False, reason="DatabaseUnavailable", message="no answer")
    spec = tenant(state="Suspended", suspension={"reason": "unpaid"})
    place = Place(name="acme-prod", uid="n", reason="NameTaken", message="it is theirs")
    computed = status.compute(an_object(old), spec, Outcome(away, places=[place], again=Again.SOON))
    assert computed | {"conditions": []} == {
        "tenantID": ID,
        "plan": {"name": "pro", "revision": 3},
        "observedGeneration": 4,
        "namespacesReady": "0/1",
        "namespaces": [{"name": "acme-prod", "uid": "n", "ready": "False", "reason": "NameTaken"}],
        "conditions": [],
    }
    assert [(each["type"], each["status"], each["reason"]) for each in computed["conditions"]] == [
        ("Ready", "False", "DatabaseUnavailable"),
        ("PlanResolved", "True", "Resolved"),
        ("RecordSynced", "False", "DatabaseUnavailable"),
        ("NamespacesReady", "False", "NameTaken"),
        ("PoliciesApplied", "False", "NameTaken"),
        ("Suspended", "True", "Suspended"),
        ("Reconciling", "True", "DatabaseUnavailable"),
    ]


@pytest.mark.parametrize(
    ("quantity", "resource", "expected"),
    [("1e30", "requests.cpu", "7" + 29 * "0"), ("1e99", "requests.memory", "7" + 98 * "0"), ("500m", "cpu", "350m")],
)
def test_a_share_of_any_quantity_is_one(quantity: str, resource: str, expected: str) -> None:
    assert share(quantity, 70, resource) == expected


@pytest.mark.parametrize("spec", [{"planRef": "pro"}, {"planRef": {"name": 5}}, "x", None])
def test_an_object_of_another_schema_is_kept_without_a_plan(spec: object) -> None:
    assert cache._own({"metadata": {"uid": "u", "resourceVersion": "1"}, "spec": spec}).plan == ""

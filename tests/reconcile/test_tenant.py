"""A Tenant of a real cluster: what is made for it, that it stays so, and what is left when it goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.operator import APPLY, CLUSTER, GROUP, SUBJECT, Document, Site, eventually, plan, tenant

pytestmark = pytest.mark.cluster
TENANT, TENANT_ID = "tenantry.dev/tenant", "tenantry.dev/tenant-id"
MANAGED_BY = "app.kubernetes.io/managed-by"


def make(site: Site, name: str, **spec: Any) -> Document:
    """A Tenant, once it is Ready."""
    site.apply(tenant(name, **spec))
    site.wait(f"tenant/{name}", "--for=condition=Ready")
    found = site.get("tenants", name)
    assert found
    return found


def observed(site: Site, name: str) -> int:
    return int((site.get("plans", name) or {})["status"]["observedGeneration"])


def labels_of(site: Site, namespace: str) -> dict[str, str]:
    found = site.get("namespaces", namespace)
    assert found
    return dict(found["metadata"]["labels"])


def test_becomes_namespaces_quotas_limits_and_a_record(site: Site) -> None:
    spec = {
        "namespaces": [
            {"name": "prod", "share": 70, "labels": {"team": "a"}, "annotations": {"note": "b"}},
            {"name": "dev"},
        ],
        "quota": {"hard": {"requests.cpu": "4", "pods": "10", "configmaps": "7"}},
        "hostnames": ["whole.example.com"],
    }
    whole = make(site, "whole", **spec)
    status, tenant_id = whole["status"], whole["status"]["tenantID"]
    assert status["namespacesReady"] == "2/2"
    pro = site.get("plans", "pro")
    assert pro
    assert status["plan"] == {"name": "pro", "revision": pro["status"]["revision"]}
    assert status["hostnames"] == [{"host": "whole.example.com", "state": "Claimed"}]
    assert {each["type"]: each["reason"] for each in status["conditions"]} == {
        "Ready": "Ready",
        "PlanResolved": "Resolved",
        "WithinPlan": "WithinPlan",
        "HostnamesClaimed": "Claimed",
        "RecordSynced": "Synced",
        "NamespacesReady": "Applied",
        "PoliciesApplied": "Applied",
    }
    prod = site.get("namespaces", "whole-prod")
    assert prod
    ours = {MANAGED_BY: "tenantry", TENANT: "whole", TENANT_ID: tenant_id}
    security = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    security |= {f"pod-security.kubernetes.io/{mode}-version": "latest" for mode in ("enforce", "warn")}
    assert prod["metadata"]["labels"] == ours | security | {"team": "a", "kubernetes.io/metadata.name": "whole-prod"}
    assert prod["metadata"]["annotations"] == {"note": "b"}
    uids = {each["name"]: each["uid"] for each in status["namespaces"]}
    assert uids["whole-prod"] == prod["metadata"]["uid"]
    for name, percent in (("whole-prod", 70), ("whole-dev", 30)):
        quota, limits = (site.get(plural, "tenantry", name) for plural in ("resourcequotas", "limitranges"))
        assert quota
        assert limits
        assert quota["metadata"]["labels"] == limits["metadata"]["labels"] == ours
        cpu, pods, maps = f"{4000 * percent // 100}m", str(percent // 10), str(7 * percent // 100)
        assert quota["spec"] == {"hard": {"configmaps": maps, "pods": pods, "requests.cpu": cpu}}
        item = {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "50m"}}
        assert limits["spec"] == {"limits": [item]}


def test_the_api_and_the_columns_say_so_too(site: Site) -> None:
    there = make(site, "said")
    here = site.api.admin.get(f"{GROUP}/tenants/said")
    assert here["spec"] == there["spec"]
    path = f"{GROUP}/tenants/said"
    eventually(lambda: site.api.admin.get(path).get("status") == there["status"], "the API was told")
    refused, answer = site.api.admin.send("DELETE", f"{GROUP}/tenants/said")
    assert refused == 409
    assert CLUSTER in answer["message"]
    table = site.plane.kubectl("get", "tenant", "said", "-o", "wide").stdout.splitlines()
    head, row = (line.split() for line in table)
    shown = dict(zip(head, row, strict=False))
    assert shown | {"AGE": ""} == {
        "NAME": "said",
        "PLAN": "pro",
        "STATE": "Active",
        "READY": "True",
        "REASON": "Ready",
        "NAMESPACES": "1/1",
        "AGE": "",
        "TENANT-ID": there["status"]["tenantID"],
    }
    events = site.kube.get("/apis/events.k8s.io/v1/namespaces/default/events")["items"]
    told = [(event["type"], event["reason"]) for event in events if event["regarding"]["name"] == "said"]
    assert told == [("Normal", "Ready")]


def test_a_second_look_writes_nothing(site: Site) -> None:
    make(site, "twice", namespaces=[{"name": "a"}, {"name": "b"}])
    site.settle()
    before, seq = site.versions(), site.seq()
    site.operator.stop()
    site.operator.start()
    site.operator.catch_up(lists=2)
    assert site.operator.metric("controller_runtime_reconcile_total", controller="tenant") >= 1
    assert site.versions() ^ before == set()
    assert site.operator.writes() == 0
    assert site.seq() == seq


@pytest.mark.parametrize("plural", ["resourcequotas", "limitranges", "namespaces"])
def test_what_is_deleted_comes_back(site: Site, plural: str) -> None:
    name = plural.rstrip("s").replace("resource", "r").replace("limitrange", "l")
    make(site, name)
    where = ("tenantry", f"{name}-prod") if plural != "namespaces" else (f"{name}-prod", "")
    before = site.get(plural, *where)
    assert before
    site.delete(plural, *where)

    def back() -> Document | None:
        found = site.get(plural, *where)
        return found if found and found["metadata"]["uid"] != before["metadata"]["uid"] else None

    assert eventually(back, f"{plural} is back")["spec"].keys() == before["spec"].keys()
    kind = {"resourcequotas": "ResourceQuota", "limitranges": "LimitRange", "namespaces": "Namespace"}[plural]
    eventually(lambda: site.operator.metric("tenantry_drift_corrected_total", kind=kind), "the repair is counted")
    if plural == "namespaces":
        eventually(lambda: site.get("resourcequotas", "tenantry", f"{name}-prod"), "its quota is back too")
        site.until("tenants", name, "Ready", "True")


def test_what_is_edited_is_put_right_and_what_others_add_is_left_alone(site: Site) -> None:
    make(site, "edited")
    site.patch("resourcequotas", "tenantry", {"spec": {"hard": {"pods": "1000", "secrets": "1"}}}, "edited-prod")
    site.patch("namespaces", "edited-prod", {"metadata": {"labels": {TENANT: None, "theirs": "1"}}})
    site.patch("limitranges", "tenantry", {"metadata": {"labels": None, "annotations": {"theirs": "1"}}}, "edited-prod")

    def repaired() -> bool:
        quota, limits = (site.get(plural, "tenantry", "edited-prod") for plural in ("resourcequotas", "limitranges"))
        assert quota
        assert limits
        return (
            quota["spec"]["hard"] == {"pods": "100", "requests.cpu": "8"}
            and labels_of(site, "edited-prod").get(TENANT) == "edited"
            and limits["metadata"].get("labels", {}).get(TENANT) == "edited"
        )

    eventually(repaired, "all three are repaired")
    assert labels_of(site, "edited-prod")["theirs"] == "1"
    limits = site.get("limitranges", "tenantry", "edited-prod")
    assert limits
    assert limits["metadata"]["annotations"] == {"theirs": "1"}


@pytest.mark.parametrize("is_labelled", [True, False], ids=["labelled", "bare"])
@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("refusing", {"hard": {"pods": "5"}, "scopes": ["BestEffort"]}),
        ("taking", {"hard": {"pods": "5", "requests.cpu": "8"}, "scopes": ["NotTerminating"]}),
        ("selecting", {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}}),
        ("narrowing", {"scopeSelector": {"matchExpressions": [{"scopeName": "BestEffort", "operator": "Exists"}]}}),
    ],
)
def test_a_quota_that_others_replaced_by_one_of_another_scope_is_made_again(
    site: Site, name: str, spec: Document, *, is_labelled: bool
) -> None:
    make(site, name)
    before = site.get("resourcequotas", "tenantry", f"{name}-prod")
    assert before
    site.operator.stop()
    site.delete("resourcequotas", "tenantry", f"{name}-prod")
    labels = before["metadata"]["labels"] if is_labelled else {"theirs": "1"}
    metadata = {"name": "tenantry", "namespace": f"{name}-prod", "labels": labels}
    site.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec})
    site.operator.start()

    def repaired() -> bool:
        quota = site.get("resourcequotas", "tenantry", f"{name}-prod")
        labels = quota["metadata"].get("labels", {}) if quota else {}
        is_ours = before["metadata"]["labels"].items() <= labels.items()
        return bool(quota and is_ours and quota["spec"] == before["spec"])

    eventually(repaired, "the quota is as the plan says")
    site.until("tenants", name, "Ready", "True")


def test_a_field_that_another_manager_took_is_taken_back_once(site: Site) -> None:
    make(site, "taken")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "7"}}}
    path = "/api/v1/namespaces/taken-prod/resourcequotas/tenantry?fieldManager=them&force=true"
    site.kube.do("PATCH", path, quota, APPLY)

    def pods() -> str:
        found = site.get("resourcequotas", "tenantry", "taken-prod")
        assert found
        return str(found["spec"]["hard"]["pods"])

    eventually(lambda: pods() == "100", "the quota is as the plan says")
    site.settle()
    before = site.versions()
    site.patch("tenants", "taken", {"metadata": {"annotations": {"look": "again"}}})
    eventually(lambda: site.api.admin.get(f"{GROUP}/tenants/taken")["metadata"].get("annotations"), "it looked again")
    site.operator.catch_up()
    assert [path for path, *_ in site.versions() - before] == [f"{GROUP}/tenants: /taken"]


def test_retain_keeps_the_namespace_for_the_tenant_that_comes_back(site: Site) -> None:
    before = make(site, "kept", deletionPolicy="Retain")
    site.delete("tenants", "kept")
    site.until_gone("tenants", "kept")
    left = labels_of(site, "kept-prod")
    assert left["tenantry.dev/detached"] == "kept"
    assert left[TENANT_ID] == before["status"]["tenantID"]
    assert not {TENANT, MANAGED_BY} & left.keys()
    quota = site.get("resourcequotas", "tenantry", "kept-prod")
    assert quota
    assert quota["spec"]["hard"]["pods"] == "100"
    assert TENANT not in quota["metadata"]["labels"]
    assert site.api.admin.get(f"{GROUP}/tenants/kept") is None
    after = make(site, "kept", deletionPolicy="Retain")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["status"]["tenantID"] == before["status"]["tenantID"]
    assert after["status"]["namespaces"] == before["status"]["namespaces"]
    again = labels_of(site, "kept-prod")
    assert again[TENANT] == "kept"
    assert "tenantry.dev/detached" not in again


def test_delete_removes_the_namespaces_before_the_tenant_may_go(site: Site) -> None:
    site.apply(plan("alone"))
    wanted = {"planRef": {"name": "alone"}, "deletionPolicy": "Delete", "hostnames": ["dropped.example.com"]}
    before = make(site, "dropped", **wanted)["status"]
    site.patch("namespaces", "dropped-prod", {"metadata": {"finalizers": ["example.com/wait"]}})
    site.delete("tenants", "dropped")
    shown = site.until("tenants", "dropped", "Ready", "False", "Terminating")
    assert "dropped-prod" in shown["message"]
    status = (site.get("tenants", "dropped") or {})["status"]
    entry = {"name": "dropped-prod", "uid": before["namespaces"][0]["uid"], "ready": "False", "reason": "Terminating"}
    assert status | {"conditions": [], "observedGeneration": 0} == {
        "tenantID": before["tenantID"],
        "namespaces": [entry],
        "namespacesReady": "0/1",
        "observedGeneration": 0,
        "conditions": [],
    }
    assert {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]} == {
        "Ready": ("False", "Terminating"),
        "RecordSynced": ("False", "Withdrawn"),
        "NamespacesReady": ("False", "Terminating"),
        "PoliciesApplied": ("False", "Terminating"),
        "Stalled": ("True", "Terminating"),
    }
    found = site.get("namespaces", "dropped-prod")
    assert found
    assert found["metadata"]["finalizers"] == ["example.com/wait"]
    site.settle()
    handled = site.operator.metric("controller_runtime_reconcile_total", controller="tenant")
    site.apply(plan("alone", displayName="Alone 2"))  # has nothing to tell to a tenant that is leaving
    eventually(lambda: observed(site, "alone") == 2, "the plan's change was handled")
    site.operator.catch_up()
    assert site.operator.metric("controller_runtime_reconcile_total", controller="tenant") == handled
    site.patch("namespaces", "dropped-prod", {"metadata": {"finalizers": None}})
    site.until_gone("tenants", "dropped")
    assert site.get("namespaces", "dropped-prod") is None
    repaired = site.operator.metric("tenantry_drift_corrected_total")
    make(site, "dropped")
    assert site.operator.metric("tenantry_drift_corrected_total") == repaired


def test_a_protected_tenant_stays(site: Site) -> None:
    make(site, "guarded", deletionProtection="Enabled")
    site.delete("tenants", "guarded")
    site.until("tenants", "guarded", "DeletionBlocked", "True", "DeletionProtected")
    assert site.get("resourcequotas", "tenantry", "guarded-prod")
    assert site.api.admin.get(f"{GROUP}/tenants/guarded")
    site.delete("resourcequotas", "tenantry", "guarded-prod")
    eventually(lambda: site.get("resourcequotas", "tenantry", "guarded-prod"), "it is served as before")
    site.patch("tenants", "guarded", {"spec": {"namespaces": [{"name": "prod"}, {"name": "dev"}]}})
    eventually(lambda: site.get("resourcequotas", "tenantry", "guarded-dev"), "an edit is made so")

    def shown() -> Any:
        return (site.get("tenants", "guarded") or {})["status"]

    eventually(lambda: shown()["namespacesReady"] == "2/2", "its status tells of both")
    site.until("tenants", "guarded", "Ready", "True")
    path = f"{GROUP}/tenants/guarded"
    eventually(lambda: site.api.admin.get(path)["status"] == shown(), "the API says so too")
    site.patch("tenants", "guarded", {"spec": {"deletionProtection": "Disabled"}})
    site.until_gone("tenants", "guarded")


def test_a_tenant_that_may_not_go_yet_says_what_is(site: Site) -> None:
    make(site, "stuck", deletionProtection="Enabled")
    site.patch("namespaces", "stuck-prod", {"metadata": {"finalizers": ["example.com/wait"]}})
    site.delete("tenants", "stuck")
    site.until("tenants", "stuck", "DeletionBlocked", "True", "DeletionProtected")
    site.delete("namespaces", "stuck-prod")
    shown = site.until("tenants", "stuck", "NamespacesReady", "False", "Terminating")
    assert "stuck-prod" in shown["message"]
    assert (site.get("tenants", "stuck") or {})["status"]["namespacesReady"] == "0/1"
    site.patch("namespaces", "stuck-prod", {"metadata": {"finalizers": None}})
    site.until("tenants", "stuck", "Ready", "True")
    site.patch("tenants", "stuck", {"spec": {"deletionProtection": "Disabled"}})
    site.until_gone("tenants", "stuck")


def test_a_namespace_of_somebody_else_is_neither_adopted_nor_deleted(site: Site) -> None:
    site.plane.kubectl("create", "namespace", "greedy-prod")
    theirs = site.get("namespaces", "greedy-prod")
    assert theirs
    entries = [{"name": "prod"}, {"name": "own"}]
    site.apply(tenant("greedy", namespaces=entries, deletionPolicy="Delete"))
    uid = theirs["metadata"]["uid"]
    shown = site.until("tenants", "greedy", "Ready", "False", "NameTaken")
    assert f"adoptUID: {uid}" in shown["message"]
    eventually(lambda: site.get("resourcequotas", "tenantry", "greedy-own"), "the other namespace is served")
    assert site.get("namespaces", "greedy-prod") == theirs
    wrong = [{"name": "prod", "adoptUID": "00000000-0000-4000-8000-000000000000"}, {"name": "own"}]
    site.patch("tenants", "greedy", {"spec": {"namespaces": wrong}})
    site.delete("tenants", "greedy")
    site.until_gone("tenants", "greedy")
    assert site.get("namespaces", "greedy-own") is None
    assert site.get("namespaces", "greedy-prod") == theirs


def test_a_namespace_is_adopted_by_its_uid(site: Site) -> None:
    site.plane.kubectl("create", "namespace", "adopter-prod")
    site.plane.kubectl("label", "namespace", "adopter-prod", "theirs=1")
    theirs = site.get("namespaces", "adopter-prod")
    assert theirs
    uid = theirs["metadata"]["uid"]
    adopter = make(site, "adopter", namespaces=[{"name": "prod", "adoptUID": uid}])
    assert adopter["status"]["namespaces"] == [
        {"name": "adopter-prod", "uid": uid, "ready": "True", "reason": "Applied"}
    ]
    assert labels_of(site, "adopter-prod") | {TENANT: "adopter", "theirs": "1"} == labels_of(site, "adopter-prod")
    assert site.get("resourcequotas", "tenantry", "adopter-prod")


def test_labels_alone_make_no_namespace_a_tenants(site: Site) -> None:
    forger = make(site, "forger")
    ours = {TENANT: "forger", TENANT_ID: forger["status"]["tenantID"]}
    for name in ("innocent", "forger-not-ours"):
        site.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": ours}})
    before = [site.get("namespaces", name) for name in ("innocent", "forger-not-ours")]
    site.delete("tenants", "forger")
    site.until_gone("tenants", "forger")
    eventually(site.operator.is_idle, "the operator is idle")
    assert [site.get("namespaces", name) for name in ("innocent", "forger-not-ours")] == before


def test_entries_that_go_are_detached_and_deleted_only_by_wish(site: Site) -> None:
    entries = [{"name": name} for name in ("one", "two", "three")]
    make(site, "fewer", namespaces=entries)
    wanted = [{"name": "one"}, {"name": "two", "state": "Deleted"}]
    site.patch("tenants", "fewer", {"spec": {"namespaces": wanted}})
    site.until_gone("namespaces", "fewer-two")
    eventually(lambda: "tenantry.dev/detached" in labels_of(site, "fewer-three"), "the third is detached")
    eventually(lambda: (site.get("tenants", "fewer") or {})["status"]["namespacesReady"] == "1/1", "the status says so")
    quota = site.get("resourcequotas", "tenantry", "fewer-one")
    assert quota
    assert quota["spec"]["hard"]["pods"] == "100"


def unlabel(site: Site, namespace: str) -> None:
    """Take the tenant's labels off a namespace."""
    site.patch("namespaces", namespace, {"metadata": {"labels": {TENANT: None, TENANT_ID: None, MANAGED_BY: None}}})


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_a_namespace_that_lost_its_labels_is_not_left_behind(site: Site, policy: str) -> None:
    name = f"lost-{policy.lower()}"
    before = make(site, name, deletionPolicy=policy)
    site.operator.stop()
    unlabel(site, f"{name}-prod")
    site.delete("tenants", name)
    site.operator.start()
    site.until_gone("tenants", name)
    if policy == "Delete":
        assert site.get("namespaces", f"{name}-prod") is None
        return
    left = labels_of(site, f"{name}-prod")
    assert left["tenantry.dev/detached"] == name
    assert left[TENANT_ID] == before["status"]["tenantID"]
    assert left["pod-security.kubernetes.io/enforce"] == "restricted"
    assert TENANT not in left
    quota = site.get("resourcequotas", "tenantry", f"{name}-prod")
    assert quota
    assert TENANT not in quota["metadata"]["labels"]


def test_an_entry_that_goes_takes_its_unlabelled_namespace_with_it(site: Site) -> None:
    make(site, "going", namespaces=[{"name": "one"}, {"name": "two"}, {"name": "three"}])
    site.operator.stop()
    unlabel(site, "going-two")
    unlabel(site, "going-three")
    site.patch("tenants", "going", {"spec": {"namespaces": [{"name": "one"}, {"name": "two", "state": "Deleted"}]}})
    site.operator.start()
    site.until_gone("namespaces", "going-two")
    eventually(lambda: "tenantry.dev/detached" in labels_of(site, "going-three"), "the third is detached")


def test_another_namespace_of_the_same_name_is_left_alone(site: Site) -> None:
    make(site, "renewed", deletionPolicy="Delete")
    site.operator.stop()
    site.delete("namespaces", "renewed-prod")
    site.until_gone("namespaces", "renewed-prod")
    site.plane.kubectl("create", "namespace", "renewed-prod")
    theirs = site.get("namespaces", "renewed-prod")
    site.delete("tenants", "renewed")
    site.operator.start()
    site.until_gone("tenants", "renewed")
    assert site.get("namespaces", "renewed-prod") == theirs


def test_a_namespace_that_cannot_be_taken_back_is_told_and_waited_for(site: Site) -> None:
    make(site, "walled", namespaces=[{"name": "a"}, {"name": "b"}], deletionPolicy="Delete")
    site.operator.stop()
    unlabel(site, "walled-a")
    with forbidden(site, "walled-a"):
        site.delete("tenants", "walled")
        site.operator.start()
        site.until_gone("namespaces", "walled-b")
        shown = site.until("tenants", "walled", "Ready", "False")
        eventually(lambda: "hands off" in site.condition("tenants", "walled", "Ready")["message"], "it says why")
        assert "walled-a" in shown["message"]
        assert (site.get("namespaces", "walled-a") or {})["status"]["phase"] == "Active"
    site.patch("tenants", "walled", {"metadata": {"annotations": {"look": "again"}}})
    site.until_gone("tenants", "walled")
    assert site.get("namespaces", "walled-a") is None


@contextmanager
def forbidden(site: Site, namespace: str) -> Iterator[None]:
    """The operator may not change a namespace inside."""
    version, name = "admissionregistration.k8s.io/v1", f"forbid-{namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE", "DELETE"], "resources": ["namespaces"]}
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [
            {"name": "operator", "expression": f"request.userInfo.username == '{SUBJECT}'"},
            {"name": "namespace", "expression": f"request.name == '{namespace}'"},
        ],
        "validations": [{"expression": "false", "message": "hands off", "reason": "Forbidden"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    for kind, spec in (("ValidatingAdmissionPolicy", policy), ("ValidatingAdmissionPolicyBinding", binding)):
        site.apply({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})

    def is_live() -> bool:
        try_it = ("annotate", "namespace", namespace, "try=it", "--dry-run=server", f"--as={SUBJECT}")
        return "hands off" in site.plane.kubectl(*try_it, check=False).stderr

    try:
        eventually(is_live, "the policy is live")
        yield
    finally:
        for plural in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            site.kube.do("DELETE", f"/apis/{version}/{plural}/{name}")
        eventually(lambda: not is_live(), "the policy is gone")


def test_more_namespaces_than_the_plan_allows_are_not_made(site: Site) -> None:
    entries = [{"name": name} for name in ("a", "b", "c", "d")]
    site.apply(tenant("wide", namespaces=entries))
    shown = site.until("tenants", "wide", "NamespacesReady", "False", "ExceedsPlan")
    assert "wide-d" in shown["message"]
    assert site.get("namespaces", "wide-c")
    assert site.get("namespaces", "wide-d") is None
    site.until("tenants", "wide", "WithinPlan", "False", "ExceedsPlan")


def test_a_quota_that_kubernetes_refuses_is_told_and_stops_nothing_else(site: Site) -> None:
    limits = {"default": {"cpu": "100m"}, "defaultRequest": {"cpu": "200m"}}
    site.apply(tenant("refused", limits=limits))
    shown = site.until("tenants", "refused", "PoliciesApplied", "False", "Rejected")
    assert "spec.limits[0].defaultRequest[cpu]" in shown["message"]
    assert site.condition("tenants", "refused", "NamespacesReady")["status"] == "True"
    assert site.get("resourcequotas", "tenantry", "refused-prod")
    site.patch("tenants", "refused", {"spec": {"limits": {"defaultRequest": {"cpu": "50m"}}}})
    site.until("tenants", "refused", "Ready", "True")


def test_a_name_that_the_api_has_given_away_is_refused_and_nothing_is_made(site: Site) -> None:
    site.api.admin.do("POST", f"{GROUP}/tenants", tenant("given"))
    site.apply(tenant("given"))
    shown = site.until("tenants", "given", "Ready", "False", "ManagedElsewhere")
    assert "managed by the API" in shown["message"]
    assert site.get("namespaces", "given-prod") is None
    site.delete("tenants", "given")
    site.until_gone("tenants", "given")
    assert site.api.admin.get(f"{GROUP}/tenants/given")


def test_a_hostname_that_another_tenant_has_is_told(site: Site) -> None:
    make(site, "first", hostnames=["shared.example.com"])
    site.apply(tenant("second", hostnames=["shared.example.com"]))
    site.until("tenants", "second", "HostnamesClaimed", "False", "Conflict")
    site.until("tenants", "second", "Ready", "False", "Conflict")
    found = site.get("tenants", "second")
    assert found
    assert found["status"]["hostnames"] == [{"host": "shared.example.com", "state": "Conflict"}]
    assert site.get("namespaces", "second-prod")

"""Why a tenant is ready or not, and what to do next."""

from typing import Any

from tenantry.model.explanation import CLUSTER_CONDITIONS
from tenantry.model.identity import Actor
from tenantry.model.kinds import TENANT, Address
from tenantry.services.resources.records import Source
from tests.support.application import Application

PRO = {
    "displayName": "Pro",
    "quota": {"hard": {"pods": "100", "requests.cpu": "8"}},
    "maxNamespaces": 1,
    "features": ["sso"],
    "rateLimit": {"requestsPerSecond": 50, "burst": 100},
}


async def _explain(api: Application, name: str = "acme") -> dict[str, Any]:
    answer = await api.get(f"/v1/tenants/{name}/explain")
    assert answer.status == 200, answer.body
    return dict(answer.body)


async def test_a_tenant_that_is_well_needs_nothing(v1: Application) -> None:
    await v1.create("plans", "pro", PRO)
    made = await v1.tenant("acme", quota={"hard": {"pods": "40", "services": "3"}}, namespaces=[{"name": "prod"}])
    told = await _explain(v1)
    assert told["tenantID"] == made["status"]["tenantID"]
    assert (told["managedBy"], told["state"], told["current"], told["next"]) == ("api", "Active", True, [])
    assert "suspension" not in told
    assert told["ready"]["status"] == "True"
    assert [condition["type"] for condition in told["conditions"]] == [
        "Ready",
        "PlanResolved",
        "WithinPlan",
        "HostnamesClaimed",
    ]
    assert told["plan"] == {"name": "pro", "found": True, "displayName": "Pro", "revision": 1, "features": ["sso"]}
    assert told["limits"] == [
        {"name": "namespaces", "plan": 1, "used": 1, "applies": 1, "within": True},
        {"name": "quota.pods", "plan": "100", "used": "40", "applies": "40", "within": True},
        {"name": "quota.requests.cpu", "plan": "8", "applies": "8", "within": True},
        {"name": "quota.services", "used": "3", "applies": "3", "within": True},
        {"name": "network.profile", "plan": "SameTenant", "applies": "SameTenant", "within": True},
        {"name": "podSecurity.enforce", "plan": "restricted", "applies": "restricted", "within": True},
        {"name": "rateLimit.requestsPerSecond", "plan": 50, "applies": 50, "within": True},
        {"name": "rateLimit.burst", "plan": 100, "applies": 100, "within": True},
    ]


async def test_what_needs_a_cluster_is_not_pretended(v1: Application) -> None:
    await v1.tenant("acme")
    told = await _explain(v1)
    assert [entry["type"] for entry in told["notAssessed"]] == list(CLUSTER_CONDITIONS)
    assert not {entry["type"] for entry in told["notAssessed"]} & {entry["type"] for entry in told["conditions"]}
    assert all("needs a cluster" in entry["reason"] for entry in told["notAssessed"])


async def test_a_missing_plan_is_to_be_created(v1: Application) -> None:
    await v1.tenant("acme")
    told = await _explain(v1)
    assert told["plan"] == {"name": "pro", "found": False}
    assert told["limits"] == []
    assert (told["ready"]["status"], told["ready"]["reason"]) == ("False", "PlanNotFound")
    assert told["next"] == ['Create the Plan "pro", or set spec.planRef.name to one that exists.']


async def test_what_is_beyond_the_plan_is_named(v1: Application) -> None:
    await v1.create("plans", "pro", PRO)
    await v1.tenant(
        "acme",
        quota={"hard": {"pods": "101"}},
        namespaces=[{"name": "a"}, {"name": "b"}],
        network={"profile": "Open"},
        podSecurity={"enforce": "restricted"},
    )
    told = await _explain(v1)
    assert [(limit["name"], limit["used"], limit["applies"]) for limit in told["limits"] if not limit["within"]] == [
        ("namespaces", 2, 1),
        ("quota.pods", "101", "100"),
        ("network.profile", "Open", "SameTenant"),
    ]
    [advice] = told["next"]
    assert advice.startswith("Ask for less, or move to a plan that allows it: spec.namespaces: 2 are more than the 1")


async def test_who_holds_a_hostname_is_told_to_who_may_know(v1: Application) -> None:
    await v1.create("plans", "pro", PRO)
    await v1.tenant("first", hostnames=["a.example.com"])
    own = (await v1.tenant("acme", hostnames=["a.example.com", "b.example.com"]))["status"]["tenantID"]
    told = await _explain(v1)
    assert told["hostnames"] == [
        {"host": "a.example.com", "state": "Conflict", "heldBy": "first"},
        {"host": "b.example.com", "state": "Claimed"},
    ]
    assert told["next"] == ['Take a.example.com out of spec.hostnames, or have tenant "first" give it up.']
    async with v1.as_key("platform:read", tenant_id=own) as acme:
        told = await _explain(acme)
        assert told["hostnames"][0] == {"host": "a.example.com", "state": "Conflict"}
        assert "first" not in str(told)
        assert (await acme.get("/v1/tenants/first/explain")).code == "not_found"


async def test_suspension_and_deletion_are_told(v1: Application) -> None:
    await v1.create("plans", "pro", PRO)
    await v1.create(
        "tenants",
        "acme",
        {"displayName": "A", "planRef": {"name": "pro"}, "state": "Suspended", "suspension": {"reason": "unpaid"}},
        finalizers=["example.com/backup"],
    )
    await v1.delete("tenants/acme")
    told = await _explain(v1)
    assert (told["state"], told["suspension"]) == ("Suspended", {"mode": "Blocked", "reason": "unpaid"})
    assert "It is being deleted: wait until example.com/backup let it go." in told["next"]
    assert "It is suspended: set spec.state to Active when the reason is gone." in told["next"]


async def test_what_a_cluster_manages_is_changed_there(v1: Application) -> None:
    operator, at = Actor(name="operator", cluster="east"), Address(TENANT, "", "acme")
    document = {"spec": {"displayName": "A", "planRef": {"name": "pro"}}}
    records = v1.server.services.records
    source = Source(cluster="east", instance=await records.instance(operator, "east"), uid="1", generation=1)
    await records.put(operator, at, source, document)
    told = await _explain(v1)
    assert (told["managedBy"], told["notAssessed"], told.get("ready")) == ("east", [], None)
    assert told["next"] == [
        'It is managed by cluster "east": change it there.',
        "Nobody has told its state yet: look again in a moment.",
    ]
    time = "2026-01-01T00:00:00Z"
    failed = [
        {"type": name, "status": "False", "reason": "Denied", "message": "no", "lastTransitionTime": time}
        for name in ("Ready", "AccessGranted")
    ]
    status = {"observedGeneration": 1, "conditions": failed}
    await records.put_status(operator, at, source, status)
    told = await _explain(v1)
    assert told["next"] == ['It is managed by cluster "east": change it there.', "AccessGranted: no"]
    well = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": time}
    await records.put_status(operator, at, source, {"observedGeneration": 1, "conditions": [well]})
    assert (await _explain(v1))["next"] == []


async def test_it_has_an_etag(v1: Application) -> None:
    await v1.tenant("acme")
    first = await v1.get("/v1/tenants/acme/explain")
    assert (await v1.get("/v1/tenants/acme/explain", if_none_match=first.etag)).status == 304
    await v1.create("plans", "pro", PRO)
    assert (await v1.get("/v1/tenants/acme/explain", if_none_match=first.etag)).status == 200
    assert (await v1.get("/v1/tenants/nobody/explain")).code == "not_found"

"""Meaning without a cluster: the server keeps every status true, whatever comes first and whoever goes."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from tenantry.model import ids
from tenantry.model.resource import Tombstone
from tenantry.storage import resources, tombstones
from tenantry.storage.unit import Unit
from tests.storage.samples import rewrite
from tests.support.databases import opened
from tests.support.server import ServerInProcess

ROOT = "/apis/tenantry.dev/v1alpha1"
PLANS, TENANTS = f"{ROOT}/plans", f"{ROOT}/tenants"
CONFIGS = f"{ROOT}/namespaces/tenantry-system/configs"
MERGE = {"Content-Type": "application/merge-patch+json"}
#: what has a meaning without a cluster; NamespacesReady, PoliciesApplied, AccessGranted, RecordSynced and
#: CredentialsIssued have none
CONDITIONS = ["Ready", "PlanResolved", "WithinPlan", "HostnamesClaimed"]
HOST = "www.example.com"
Object = dict[str, Any]


def document(kind: str, name: str, **spec: Any) -> Object:
    return {"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def plan(name: str, **spec: Any) -> Object:
    return document("Plan", name, displayName=name, **spec)


def tenant(name: str, plan: str = "pro", **spec: Any) -> Object:
    return document("Tenant", name, displayName=name, planRef={"name": plan}, **spec)


def layer(name: str) -> Object:
    return document("Config", name, configSet="web", scope={"plan": {"ref": "pro"}}, values={"seats": 5})


class Api:
    """The resource API, spoken to as a client does."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def call(self, method: str, path: str, **request: Any) -> tuple[int, Object]:
        """One request: its code and its answer."""
        async with self.http.request(method, path, **request) as answer:
            return answer.status, await answer.json()

    async def create(self, collection: str, body: Object) -> Object:
        """POST to a collection."""
        status, created = await self.call("POST", collection, json=body)
        assert status == 201, created
        return created

    async def patch(self, path: str, **spec: Any) -> Object:
        """A merge patch of the spec."""
        status, patched = await self.call("PATCH", path, json={"spec": spec}, headers=MERGE)
        assert status == 200, patched
        return patched

    async def get(self, path: str) -> Object:
        """The object as it is."""
        status, found = await self.call("GET", path)
        assert status == 200, found
        return found

    async def delete(self, path: str) -> None:
        """DELETE."""
        status, gone = await self.call("DELETE", path)
        assert status == 200, gone

    async def refused(self, method: str, path: str, **request: Any) -> tuple[int, str]:
        """The code and the message of a refusal, which is the same in a dry run."""
        dry = await self.call(method, path, params={"dryRun": "All"}, **request)
        status, refusal = await self.call(method, path, **request)
        assert refusal["kind"] == "Status"
        assert dry == (status, refusal)
        return status, refusal["message"]

    async def until(self, path: str, wanted: Callable[[Object], bool]) -> Object:
        """The object once it is as wanted, which is waited for by a watch."""
        collection, name = path.rsplit("/", 1)
        parameters = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": "20"}
        async with self.http.get(collection, params=parameters) as watch:
            shown: Object = {}
            while line := await watch.content.readline():
                shown = json.loads(line)["object"]
                if wanted(shown):
                    return shown
        raise AssertionError(f"{path} never came to be as wanted: {json.dumps(shown.get('status'))}")


def condition(item: Object, kind: str) -> Object:
    found: Object = next(each for each in item["status"]["conditions"] if each["type"] == kind)
    return found


def state(item: Object, kind: str = "Ready") -> tuple[str, str]:
    found = condition(item, kind)
    return found["status"], found["reason"]


def is_ready(item: Object) -> bool:
    return state(item) == ("True", "Ready")


async def test_a_tenant_without_its_plan_waits_for_it(server: ServerInProcess) -> None:
    async with server.session() as http:
        api = Api(http)
        waiting = await api.create(TENANTS, tenant("acme"))
        message = 'spec.planRef.name: there is no Plan "pro"; create it, or name another'
        assert state(waiting) == state(waiting, "PlanResolved") == ("False", "PlanNotFound")
        assert condition(waiting, "Ready")["message"] == message
        assert "plan" not in waiting["status"]
        assert waiting["status"]["observedGeneration"] == 1
        await api.create(PLANS, plan("pro"))
        ready = await api.until(f"{TENANTS}/acme", is_ready)
        assert ready["status"]["plan"] == {"name": "pro", "revision": 1}
        assert ready["metadata"]["generation"] == 1
        counted = await api.until(f"{PLANS}/pro", lambda item: item["status"]["tenants"] == 1)
        assert state(counted) == ("True", "Accepted")


async def test_only_what_applies_without_a_cluster_is_said(server: ServerInProcess) -> None:
    async with server.session() as http:
        api = Api(http)
        await api.create(PLANS, plan("pro"))
        made = await api.create(TENANTS, tenant("acme", namespaces=[{"name": "prod"}], hostnames=[HOST]))
        assert is_ready(made)
        assert [each["type"] for each in made["status"]["conditions"]] == CONDITIONS
        assert made["status"].keys() == {"conditions", "hostnames", "observedGeneration", "plan", "tenantID"}
        suspended = await api.patch(f"{TENANTS}/acme", state="Suspended", suspension={"reason": "unpaid"})
        assert is_ready(suspended)
        assert state(suspended, "Suspended") == ("True", "Suspended")
        assert condition(suspended, "Suspended")["message"] == "unpaid"
        active = await api.patch(f"{TENANTS}/acme", state="Active")
        assert [each["type"] for each in active["status"]["conditions"]] == CONDITIONS


@pytest.mark.slow
async def test_a_tenant_beyond_its_plan_says_where_and_follows_the_plan(server: ServerInProcess) -> None:
    small = plan("pro", quota={"hard": {"pods": "10"}}, maxNamespaces=1, network={"profile": "Isolated"})
    asked: Object = {
        "quota": {"hard": {"pods": "20"}},
        "namespaces": [{"name": "prod"}, {"name": "test"}],
        "network": {"profile": "Open"},
        "podSecurity": {"enforce": "baseline"},
    }
    async with server.session() as http:
        api = Api(http)
        await api.create(PLANS, small)
        beyond = await api.create(TENANTS, tenant("acme", **asked))
        assert state(beyond) == state(beyond, "WithinPlan") == ("False", "ExceedsPlan")
        assert state(beyond, "PlanResolved") == ("True", "Resolved")
        problems = condition(beyond, "WithinPlan")["message"].split("; ")
        assert [problem.partition(":")[0] for problem in problems] == [
            "spec.namespaces",
            "spec.quota.hard.pods",
            "spec.network.profile",
            "spec.podSecurity.enforce",
        ]
        await api.patch(
            f"{PLANS}/pro",
            quota={"hard": {"pods": "20"}},
            maxNamespaces=2,
            network={"profile": "Open"},
            podSecurity={"enforce": "baseline"},
        )
        within = await api.until(f"{TENANTS}/acme", is_ready)
        assert within["status"]["plan"]["revision"] == 2
        await api.patch(f"{PLANS}/pro", maxNamespaces=1)
        lowered = await api.until(f"{TENANTS}/acme", lambda item: not is_ready(item))
        assert condition(lowered, "Ready")["message"] == "spec.namespaces: 2 are more than the 1 that plan pro allows"
        assert lowered["spec"] == within["spec"]
        kept = condition(lowered, "PlanResolved")["lastTransitionTime"]
        assert kept == condition(beyond, "PlanResolved")["lastTransitionTime"]


async def test_a_plan_that_another_process_has_changed_is_no_conflict(server: ServerInProcess) -> None:
    async with server.session() as http, opened(f"sqlite:///{server.data_dir}/tenantry.db") as other:
        api = Api(http)
        await api.create(PLANS, plan("pro"))
        acme = await api.create(TENANTS, tenant("acme"))
        stored = await other.run(resources.get, "Plan", "", "pro")
        assert stored is not None
        changed = replace(stored, generation=stored.generation + 1, updated_at=stored.updated_at + 1)
        await other.run(rewrite, stored, changed, write=True)
        acme["spec"]["displayName"] = "Acme 2"
        status, answer = await api.call("PUT", f"{TENANTS}/acme", json=acme)
        assert status == 200, answer
        status, answer = await api.call(
            "PUT", f"{TENANTS}/acme", json=acme | {"spec": answer["spec"] | {"state": "Suspended"}}
        )
        assert (status, answer["reason"]) == (409, "Conflict")  # of its own


@pytest.mark.slow
async def test_a_tenant_that_moves_is_counted_where_it_is(server: ServerInProcess) -> None:
    async with server.session() as http:
        api = Api(http)
        for name in ("free", "pro"):
            await api.create(PLANS, plan(name))
        await api.create(TENANTS, tenant("acme", "free"))
        await api.until(f"{PLANS}/free", lambda item: item["status"]["tenants"] == 1)
        await api.patch(f"{TENANTS}/acme", planRef={"name": "pro"})
        await api.until(f"{PLANS}/free", lambda item: item["status"]["tenants"] == 0)
        await api.until(f"{PLANS}/pro", lambda item: item["status"]["tenants"] == 1)
        await api.delete(f"{TENANTS}/acme")
        await api.until(f"{PLANS}/pro", lambda item: item["status"]["tenants"] == 0)


@pytest.mark.slow
@pytest.mark.parametrize("leaves", ["by its deletion", "by an edit"])
async def test_a_hostname_goes_to_one_tenant_and_then_to_one_that_waits(server: ServerInProcess, leaves: str) -> None:
    async with server.session() as http:
        api = Api(http)
        await api.create(PLANS, plan("pro"))
        first = await api.create(TENANTS, tenant("first", hostnames=[HOST]))
        assert first["status"]["hostnames"] == [{"host": HOST, "state": "Claimed"}]
        for name in ("second", "third"):
            waiting = await api.create(TENANTS, tenant(name, hostnames=[HOST, f"{name}.example.com"]))
            assert state(waiting) == state(waiting, "HostnamesClaimed") == ("False", "Conflict")
            assert (
                condition(waiting, "Ready")["message"] == f"spec.hostnames: already claimed by another tenant: {HOST}"
            )
            assert waiting["status"]["hostnames"] == [
                {"host": HOST, "state": "Conflict"},
                {"host": f"{name}.example.com", "state": "Claimed"},
            ]
        if leaves == "by an edit":
            await api.patch(f"{TENANTS}/first", hostnames=[])
        else:
            await api.delete(f"{TENANTS}/first")
        winner = await api.until(f"{TENANTS}/second", is_ready)
        assert winner["status"]["hostnames"][0] == {"host": HOST, "state": "Claimed"}
        assert state(await api.get(f"{TENANTS}/third")) == ("False", "Conflict")
        await api.delete(f"{TENANTS}/second")
        await api.until(f"{TENANTS}/third", is_ready)
        if leaves == "by an edit":
            again = await api.patch(f"{TENANTS}/first", hostnames=[HOST])
            assert state(again) == ("False", "Conflict")


async def test_a_layer_goes_to_one_config_and_then_to_the_one_that_waits(server: ServerInProcess) -> None:
    async with server.session() as http:
        api = Api(http)
        first = await api.create(CONFIGS, layer("first"))
        assert is_ready(first)
        second = await api.create(CONFIGS, layer("second"))
        assert state(second) == ("False", "LayerConflict")
        assert condition(second, "Ready")["message"] == (
            "spec.scope: this layer belongs to Config tenantry-system/first"
        )
        assert "revision" not in second["status"]
        assert is_ready(await api.get(f"{CONFIGS}/first"))
        await api.delete(f"{CONFIGS}/first")
        heir = await api.until(f"{CONFIGS}/second", is_ready)
        assert heir["status"]["revision"] == 1


async def test_a_layer_of_the_platform_lives_in_its_namespace(server: ServerInProcess) -> None:
    async with server.session() as http:
        api = Api(http)
        elsewhere = await api.create(CONFIGS.replace("tenantry-system", "acme-prod"), layer("first"))
        assert state(elsewhere) == ("False", "InvalidSpec")
        assert condition(elsewhere, "Ready")["message"] == (
            "metadata.namespace: a global or plan layer lives in tenantry-system; create it there"
        )
        assert is_ready(await api.create(CONFIGS, layer("second")))  # the other one holds nothing


async def test_a_plan_in_use_cannot_be_deleted(server: ServerInProcess) -> None:
    async with server.session() as http:
        api = Api(http)
        held = plan("pro")
        held["metadata"]["finalizers"] = ["example.com/hold"]
        for body in (plan("free"), held):
            await api.create(PLANS, body)
        await api.create(TENANTS, tenant("acme", "free"))
        await api.create(TENANTS, tenant("globex", "pro"))
        for name, told in (("free", "acme"), ("pro", "globex")):
            status, message = await api.refused("DELETE", f"{PLANS}/{name}")
            assert status == 403
            assert message.endswith(f"tenants on this plan: {told}; move them to another plan first")
            assert "deletionTimestamp" not in (await api.get(f"{PLANS}/{name}"))["metadata"]
        await api.patch(f"{TENANTS}/acme", planRef={"name": "pro"})
        for name in ("soylent", "hooli", "initech", "umbrella", "tyrell"):
            await api.create(TENANTS, tenant(name, "pro"))
        _, message = await api.refused("DELETE", f"{PLANS}/pro")
        assert "tenants on this plan: acme, globex, hooli, initech, soylent and 2 more; move" in message
        await api.delete(f"{PLANS}/free")
        await api.create(PLANS, plan("free"))  # the name of a plan is free at once


async def test_a_protected_tenant_is_deleted_by_nobody(server: ServerInProcess) -> None:
    async with server.session() as http:
        api = Api(http)
        body = tenant("acme", deletionProtection="Enabled")
        body["metadata"]["finalizers"] = ["example.com/hold"]
        await api.create(TENANTS, body)
        status, message = await api.refused("DELETE", f"{TENANTS}/acme")
        assert status == 403
        assert message == (
            'tenants.tenantry.dev "acme" is forbidden: spec.deletionProtection is Enabled; set it to Disabled first'
        )
        assert "deletionTimestamp" not in (await api.get(f"{TENANTS}/acme"))["metadata"]
        await api.patch(f"{TENANTS}/acme", deletionProtection="Disabled")
        await api.delete(f"{TENANTS}/acme")
        assert "deletionTimestamp" in (await api.get(f"{TENANTS}/acme"))["metadata"]


async def test_a_tenant_that_comes_back_is_the_same_one(server: ServerInProcess) -> None:
    async with server.session() as http:
        api = Api(http)
        await api.create(PLANS, plan("pro"))
        first = await api.create(TENANTS, tenant("acme", hostnames=[HOST]))
        await api.delete(f"{TENANTS}/acme")
        status, _ = await api.call("GET", f"{TENANTS}/acme")
        assert status == 404
        second = await api.create(TENANTS, tenant("acme", hostnames=[HOST]))
        assert second["status"]["tenantID"] == first["status"]["tenantID"]
        assert second["metadata"]["uid"] != first["metadata"]["uid"]
        assert second["metadata"]["generation"] == 1
        assert is_ready(second)


async def test_a_name_that_was_anothers_is_kept(server: ServerInProcess) -> None:
    def bury(unit: Unit, slug: str, owner: str, purge_at: int) -> None:
        tombstone = Tombstone(
            slug=slug, tenant_id=ids.uuid7(), managed_by=owner, last_doc="{}", deleted_at=1, purge_at=purge_at
        )
        tombstones.put(unit, tombstone)

    async with server.session() as http:
        api = Api(http)
        await server.services.db.run(bury, "elsewhere", "prod", 2**60, write=True)
        await server.services.db.run(bury, "purged", "api", 0, write=True)
        for name, reason in (("elsewhere", 'a tenant of cluster "prod"'), ("purged", "was purged")):
            status, message = await api.refused("POST", TENANTS, json=tenant(name))
            assert (status, reason in message) == (409, True), message
            assert (await api.call("GET", f"{TENANTS}/{name}"))[0] == 404

"""kubectl, the newest and the oldest that is supported, does its daily work against the API, without a cluster."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.cluster import tools
from tests.support.cluster import demand
from tests.support.kubectl import Kubectl, row
from tests.support.server import ServerInProcess
from tests.worktree import ROOT

pytestmark = pytest.mark.cluster

SAMPLES = str(ROOT / "k8s/samples")
GOLD = """\
apiVersion: tenantry.dev/v1alpha1
kind: Plan
metadata:
  name: gold
  labels: {tier: high}
spec:
  displayName: Gold
  maxMembers: 7
"""
SILVER = GOLD.replace("gold", "silver").replace("Gold", "Silver").replace("high", "low")
DEFAULTED = """\
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: two}
spec: {displayName: Two, planRef: {name: none}, namespaces: [{name: prod}]}
"""
BOTH = f"{GOLD}---\n{SILVER}"
PROGRAMS = {"kubectl": "kubectl", "old_kubectl": "kubectl-1.32"}


@pytest.fixture(params=PROGRAMS)
def kubectl(request: pytest.FixtureRequest, server: ServerInProcess, tmp_path: Path) -> Kubectl:
    demand(request.param)
    return Kubectl(tools.program(PROGRAMS[request.param]), server.kubeconfig, tmp_path / "home")


def table(text: str) -> list[dict[str, str]]:
    """The rows of a table by the names of its columns."""
    head, *lines = text.splitlines()
    starts = [found.start() for found in re.finditer(r"\S+", head)]
    ends = [*starts[1:], None]
    return [
        {head[start:end].strip(): line[start:end].strip() for start, end in zip(starts, ends, strict=True)}
        for line in lines
    ]


async def settled(kubectl: Kubectl) -> None:
    """Return once the samples' plans have counted their tenants, the last thing that comes of them."""
    await kubectl.run("wait", "--for=jsonpath={.status.tenants}=1", "plan/pro", "plan/starter", "--timeout=20s")


async def test_it_discovers_the_api(kubectl: Kubectl) -> None:
    version = await kubectl.out("version")
    assert re.search(r"^Server Version: v1\.36\.\d+\+tenantry", version, re.MULTILINE), version
    resources = table(await kubectl.out("api-resources", "--api-group=tenantry.dev"))
    assert {(each["NAME"], each["SHORTNAMES"], each["NAMESPACED"], each["KIND"]) for each in resources} == {
        ("configs", "tcfg", "true", "Config"),
        ("plans", "", "false", "Plan"),
        ("tenants", "tnt", "false", "Tenant"),
    }
    assert "tenantry.dev/v1alpha1" in (await kubectl.out("api-versions")).splitlines()


async def test_apply_on_the_clients_side(kubectl: Kubectl) -> None:
    assert (await kubectl.out("apply", "-f", SAMPLES)).splitlines() == [
        "config.tenantry.dev/web created",
        "config.tenantry.dev/web-pro created",
        "config.tenantry.dev/web-acme created",
        "plan.tenantry.dev/starter created",
        "plan.tenantry.dev/pro created",
        "plan.tenantry.dev/ent created",
        "tenant.tenantry.dev/acme created",
        "tenant.tenantry.dev/globex created",
    ]
    await settled(kubectl)
    before = await kubectl.get("plans,tenants,configs", "-A")
    again = (await kubectl.out("apply", "-f", SAMPLES)).splitlines()
    assert {line.rpartition(" ")[2] for line in again} == {"unchanged"}
    assert await kubectl.get("plans,tenants,configs", "-A") == before
    # kubectl sends a list whose entries have defaults again, and nothing comes of it
    await kubectl.run("apply", "-f", "-", input=DEFAULTED)
    before = await kubectl.get("tenant", "two")
    assert await kubectl.out("apply", "-f", "-", input=DEFAULTED) == "tenant.tenantry.dev/two configured"
    assert await kubectl.get("tenant", "two") == before
    await kubectl.run("apply", "-f", "-", input=GOLD)
    changed = GOLD.replace("  maxMembers: 7\n", "").replace("Gold", "Golden")
    assert await kubectl.out("apply", "-f", "-", input=changed) == "plan.tenantry.dev/gold configured"
    spec = (await kubectl.get("plan", "gold"))["spec"]
    assert spec["displayName"] == "Golden"
    assert "maxMembers" not in spec, "what a manifest no longer has is removed"


async def test_apply_on_the_servers_side(kubectl: Kubectl) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    assert await kubectl.out(*apply, input=GOLD) == "plan.tenantry.dev/gold serverside-applied"
    other = GOLD.replace("7", "9")
    refusal = await kubectl.refused(*apply, "--field-manager=other", input=other)
    assert 'conflict with "kubectl": .spec.maxMembers' in refusal
    await kubectl.run(*apply, "--field-manager=other", "--force-conflicts", input=other)
    found = await kubectl.get("plan", "gold", "--show-managed-fields")
    assert found["spec"]["maxMembers"] == 9
    owners = {each["manager"]: each for each in found["metadata"]["managedFields"]}
    assert {name: owner["operation"] for name, owner in owners.items()} == {"kubectl": "Apply", "other": "Apply"}
    assert "f:maxMembers" not in owners["kubectl"]["fieldsV1"]["f:spec"]
    assert "managedFields" not in (await kubectl.get("plan", "gold"))["metadata"]


async def test_dry_runs_store_nothing(kubectl: Kubectl) -> None:
    dry = "--dry-run=server"
    said = await kubectl.out("apply", dry, "-f", "-", input=GOLD)
    assert said == "plan.tenantry.dev/gold created (server dry run)"
    said = await kubectl.out("apply", "--server-side", dry, "-f", "-", input=GOLD)
    assert said == "plan.tenantry.dev/gold serverside-applied (server dry run)"
    said = await kubectl.out("create", dry, "-f", "-", input=GOLD)
    assert said == "plan.tenantry.dev/gold created (server dry run)"
    assert "not found" in await kubectl.refused("get", "plan", "gold")
    await kubectl.run("create", "-f", "-", input=GOLD)
    await kubectl.run("label", dry, "plan", "gold", "a=b")
    assert "server dry run" in await kubectl.out("delete", dry, "plan", "gold")
    assert (await kubectl.get("plan", "gold"))["metadata"]["labels"] == {"tier": "high"}


async def test_wrong_documents_are_refused_with_the_place(kubectl: Kubectl) -> None:
    refusal = await kubectl.refused("apply", "-f", "-", input=f"{GOLD}  colour: red\n")
    assert 'unknown field "spec.colour"' in refusal
    refusal = await kubectl.refused("apply", "-f", "-", input=GOLD.replace("7", "-7"))
    assert 'The Plan "gold" is invalid: spec.maxMembers: Invalid value: -7' in refusal
    warned = await kubectl.run("apply", "--validate=warn", "-f", "-", input=f"{GOLD}  colour: red\n")
    assert 'Warning: unknown field "spec.colour"' in warned.err


@pytest.mark.parametrize(
    "document",
    [GOLD.replace("Plan", "Plam"), GOLD.replace("v1alpha1", "v1"), "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"],
    ids=["kind", "version", "group"],
)
async def test_a_kind_that_is_not_served_is_called_that(kubectl: Kubectl, document: str) -> None:
    assert "no matches for kind" in await kubectl.refused("apply", "-f", "-", input=document)


async def test_create_and_replace(kubectl: Kubectl) -> None:
    assert await kubectl.out("create", "-f", "-", input=GOLD) == "plan.tenantry.dev/gold created"
    refusal = await kubectl.refused("create", "-f", "-", input=GOLD)
    assert 'Error from server (AlreadyExists): error when creating "STDIN": plans.tenantry.dev "gold"' in refusal
    first = await kubectl.get("plan", "gold")
    changed = GOLD.replace("Gold", "Golden")
    assert await kubectl.out("replace", "-f", "-", input=changed) == "plan.tenantry.dev/gold replaced"
    second = await kubectl.get("plan", "gold")
    assert (second["spec"]["displayName"], second["metadata"]["uid"]) == ("Golden", first["metadata"]["uid"])
    assert second["metadata"]["generation"] == 2
    assert "(NotFound)" in await kubectl.refused("replace", "-f", "-", input=SILVER)
    await kubectl.run("replace", "--force", "-f", "-", input=GOLD)
    third = await kubectl.get("plan", "gold")
    assert third["metadata"]["uid"] != first["metadata"]["uid"]


async def test_get_shows_tables(kubectl: Kubectl) -> None:
    await kubectl.run("apply", "-f", SAMPLES)
    await settled(kubectl)
    plans = table(await kubectl.out("get", "plans"))
    assert [(each["NAME"], each["DISPLAY"], each["TENANTS"], each["READY"]) for each in plans] == [
        ("ent", "Enterprise", "0", "True"),
        ("pro", "Pro", "1", "True"),
        ("starter", "Starter", "1", "True"),
    ]
    (acme,) = table(await kubectl.out("get", "tnt", "acme", "-o", "wide", "--show-labels"))
    assert (acme["PLAN"], acme["STATE"], acme["READY"], acme["LABELS"]) == ("pro", "Active", "True", "ring=internal")
    assert re.fullmatch(r"[0-9a-f-]{36}", acme["TENANT-ID"])
    configs = table(await kubectl.out("get", "configs", "-A"))
    assert [(each["NAMESPACE"], each["NAME"], each["SCOPE"], each["REF"]) for each in configs] == [
        ("tenantry-system", "web", "global", ""),
        ("tenantry-system", "web-acme", "tenant", "acme"),
        ("tenantry-system", "web-pro", "plan", "pro"),
    ]
    everything = await kubectl.out("get", "tenantry", "-A", "--no-headers")
    assert len(list(filter(None, everything.splitlines()))) == 8
    assert (await kubectl.run("get", "configs", "-n", "other")).err == "No resources found in other namespace.\n"


async def test_get_shows_documents(kubectl: Kubectl) -> None:
    await kubectl.run("apply", "-f", SAMPLES)
    text = await kubectl.out("get", "tenant", "acme", "-o", "yaml")
    assert text.startswith("apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n")
    assert "\n  planRef:\n    name: pro\n" in text
    assert (await kubectl.get("tenant", "acme"))["spec"]["displayName"] == "Acme GmbH"
    assert await kubectl.out("get", "tenant", "acme", "-o", "jsonpath={.spec.planRef.name}") == "pro"
    columns = "custom-columns=N:.metadata.name,P:.spec.planRef.name"
    assert (await kubectl.out("get", "tenants", "-o", columns, "--no-headers")).split() == [
        *("acme", "pro"),
        *("globex", "starter"),
    ]
    listed = await kubectl.get("plans,tenants")
    assert [each["metadata"]["name"] for each in listed["items"]] == ["ent", "pro", "starter", "acme", "globex"]
    by_name = await kubectl.out("get", "plans", "--sort-by=.spec.maxNamespaces", "-o", "name")
    assert by_name.split() == ["plan.tenantry.dev/starter", "plan.tenantry.dev/pro", "plan.tenantry.dev/ent"]


async def test_get_selects(kubectl: Kubectl) -> None:
    await kubectl.run("apply", "-f", SAMPLES)
    await kubectl.run("apply", "-f", "-", input=BOTH)

    async def selected(*arguments: str) -> list[str]:
        return (await kubectl.out("get", *arguments, "-o", "name")).split()

    gold, silver = "plan.tenantry.dev/gold", "plan.tenantry.dev/silver"
    assert await selected("plans", "-l", "tier=high") == [gold]
    assert await selected("plans", "-l", "tier in (high,low),tier!=high") == [silver]
    assert await selected("plans", "--field-selector=metadata.name=gold") == [gold]
    assert await selected("configs", "-A", "--field-selector=metadata.namespace=other") == []
    assert len(await selected("plans", "--chunk-size=2")) == 5
    assert "found '=', expected" in await kubectl.refused("get", "plans", "-l", "a=b=c")
    refusal = await kubectl.refused("get", "plans", "--field-selector=spec.displayName=Gold")
    assert "field label not supported: spec.displayName" in refusal
    assert 'plans.tenantry.dev "none" not found' in await kubectl.refused("get", "plan", "none")


async def test_get_watches(kubectl: Kubectl) -> None:
    await kubectl.run("create", "-f", "-", input=GOLD)
    async with kubectl.follow("get", "plans", "-w", "--output-watch-events") as output:
        assert (await row(output))[:3] == ["EVENT", "NAME", "DISPLAY"]
        assert (await row(output))[:3] == ["ADDED", "gold", "Gold"]
        await kubectl.run("create", "-f", "-", input=SILVER)
        assert (await row(output))[:3] == ["ADDED", "silver", "Silver"]
        await kubectl.run("patch", "plan", "gold", "--type=merge", "-p", '{"spec": {"displayName": "Golden"}}')
        assert (await row(output))[:3] == ["MODIFIED", "gold", "Golden"]
        await kubectl.run("delete", "plan", "silver")
        assert (await row(output))[:3] == ["DELETED", "silver", "Silver"]


async def test_wait(kubectl: Kubectl) -> None:
    tenant = "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: acme}\n"
    tenant += "spec: {displayName: Acme, planRef: {name: gold}}\n"
    await kubectl.run("apply", "-f", "-", input=tenant)
    await kubectl.run("wait", "--for=condition=Ready=false", "tenant/acme", "--timeout=20s")
    waiting = asyncio.create_task(kubectl.out("wait", "--for=condition=Ready", "tenant", "--all", "--timeout=20s"))
    await kubectl.run("apply", "-f", "-", input=GOLD)
    assert await waiting == "tenant.tenantry.dev/acme condition met"
    going = asyncio.create_task(kubectl.out("wait", "--for=delete", "tenant/acme", "--timeout=20s"))
    await kubectl.run("delete", "tenant", "acme")
    assert await going in {"", "tenant.tenantry.dev/acme condition met"}  # nothing, when it was gone before
    assert "not found" in await kubectl.refused("get", "tenant", "acme")


async def test_describe(kubectl: Kubectl) -> None:
    await kubectl.run("apply", "-f", SAMPLES)
    text = await kubectl.out("describe", "tenant", "acme")
    for line in ("Name:         acme", "Labels:       ring=internal", "Kind:         Tenant"):
        assert line in text.splitlines()
    assert re.search(r"Plan Ref:\n +Name: +pro\n", text)
    assert re.search(r"Conditions:\n(.*\n)+ +Type: +Ready\n", text)


async def test_edit(kubectl: Kubectl, tmp_path: Path) -> None:
    await kubectl.run("create", "-f", "-", input=GOLD)
    unchanged = await kubectl.run("edit", "plan", "gold", KUBE_EDITOR="true")
    assert "Edit cancelled, no changes made" in unchanged.out + unchanged.err
    editor = "sed -i s/displayName:.Gold/displayName:\\ Golden/"
    assert await kubectl.out("edit", "plan", "gold", KUBE_EDITOR=editor) == "plan.tenantry.dev/gold edited"
    assert (await kubectl.get("plan", "gold"))["spec"]["displayName"] == "Golden"
    # a wrong edit opens the editor again, with what is wrong; there it is left as it is
    wrong, seen = tmp_path / "wrong", tmp_path / "seen"
    wrong.write_text(f'#!/bin/sh\ngrep -q "maxMembers: -7" "$1" && cp "$1" {seen}\nsed -i "s/: 7$/: -7/" "$1"\n')
    wrong.chmod(0o700)
    refusal = await kubectl.run("edit", "plan", "gold", KUBE_EDITOR=str(wrong), code=1)
    assert "no valid changes were saved" in refusal.err
    assert re.search(r"^# \* spec\.maxMembers: Invalid value: -7", seen.read_text(), re.MULTILINE)
    assert (await kubectl.get("plan", "gold"))["spec"]["maxMembers"] == 7


async def test_patch(kubectl: Kubectl) -> None:
    await kubectl.run("create", "-f", "-", input=GOLD)
    merge = ("patch", "plan", "gold", "--type=merge", "-p")
    assert await kubectl.out(*merge, '{"spec": {"maxMembers": 8}}') == "plan.tenantry.dev/gold patched"
    assert await kubectl.out(*merge, '{"spec": {"maxMembers": 8}}') == "plan.tenantry.dev/gold patched (no change)"
    operations = (
        '[{"op": "test", "path": "/spec/maxMembers", "value": %d}, {"op": "remove", "path": "/spec/maxMembers"}]'
    )
    assert "test failed" in await kubectl.refused("patch", "plan", "gold", "--type=json", "-p", operations % 7)
    await kubectl.run("patch", "plan", "gold", "--type=json", "-p", operations % 8)
    assert "maxMembers" not in (await kubectl.get("plan", "gold"))["spec"]
    refusal = await kubectl.refused("patch", "plan", "gold", "-p", '{"spec": {}}')
    assert "application/strategic-merge-patch+json is not supported" in refusal
    await kubectl.run(*merge, '{"status": {"observedGeneration": 42}}', "--subresource=status")
    assert (await kubectl.get("plan", "gold"))["status"]["observedGeneration"] == 42


async def test_label_and_annotate(kubectl: Kubectl) -> None:
    await kubectl.run("create", "-f", "-", input=GOLD)
    for command, part in (("label", "labels"), ("annotate", "annotations")):
        past = f"{command}d" if command == "annotate" else "labeled"
        assert await kubectl.out(command, "plan", "gold", "ring=inner") == f"plan.tenantry.dev/gold {past}"
        assert (await kubectl.get("plan", "gold"))["metadata"][part]["ring"] == "inner"
        refusal = await kubectl.refused(command, "plan", "gold", "ring=outer")
        assert "--overwrite is false" in refusal
        await kubectl.run(command, "--overwrite", "plan", "gold", "ring=outer")
        assert (await kubectl.get("plan", "gold"))["metadata"][part]["ring"] == "outer"
        await kubectl.run(command, "plan", "gold", "ring-")
        assert "ring" not in (await kubectl.get("plan", "gold"))["metadata"].get(part, {})


async def test_delete(kubectl: Kubectl) -> None:
    await kubectl.run("apply", "-f", SAMPLES)
    await kubectl.run("apply", "-f", "-", input=BOTH)
    assert 'plan.tenantry.dev "gold" deleted' in await kubectl.out("delete", "plan", "gold")
    assert "(NotFound)" in await kubectl.refused("delete", "plan", "gold")
    assert await kubectl.out("delete", "plan", "gold", "--ignore-not-found") == ""
    assert 'plan.tenantry.dev "silver" deleted' in await kubectl.out("delete", "plans", "-l", "tier=low")
    refusal = await kubectl.refused("delete", "plan", "pro")
    assert re.search(r'plans\.tenantry\.dev "pro" is forbidden: .* on this plan', refusal)
    configs = await kubectl.out("delete", "configs", "--all", "-n", "tenantry-system", "--cascade=foreground")
    assert len(configs.splitlines()) == 3
    await kubectl.run("delete", "-f", f"{SAMPLES}/tenants.yaml", "--cascade=orphan")
    await kubectl.run("delete", "--raw", "/apis/tenantry.dev/v1alpha1/plans?fieldSelector=metadata.name=ent")
    assert (await kubectl.out("get", "plans", "-o", "name")).split() == [
        "plan.tenantry.dev/pro",
        "plan.tenantry.dev/starter",
    ]


async def test_delete_waits_for_finalizers(kubectl: Kubectl) -> None:
    held = GOLD.replace("  labels:", "  finalizers: [tenantry.dev/test]\n  labels:")
    await kubectl.run("create", "-f", "-", input=held)
    await kubectl.run("delete", "plan", "gold", "--wait=false")
    found = await kubectl.get("plan", "gold")
    assert found["metadata"]["finalizers"] == ["tenantry.dev/test"]
    assert "deletionTimestamp" in found["metadata"]
    waiting = asyncio.create_task(kubectl.out("delete", "plan", "gold", "--timeout=20s"))
    await kubectl.run("patch", "plan", "gold", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    done, _ = await asyncio.wait({waiting})
    error = done.pop().exception()
    assert error is None or "(NotFound)" in str(error)  # when it was gone before the second delete
    assert "(NotFound)" in await kubectl.refused("get", "plan", "gold")


async def test_explain(kubectl: Kubectl) -> None:
    text = await kubectl.out("explain", "tenant.spec.planRef")
    assert "GROUP:      tenantry.dev" in text
    assert "FIELD: planRef <Object>" in text
    assert re.search(r"name\t<string> -required-\n +Name of the object\.", text)
    tree = await kubectl.out("explain", "plans", "--recursive")
    for line in ("  spec\t<PlanSpec> -required-", "    displayName\t<string> -required-", "  status\t<PlanStatus>"):
        assert any(
            re.fullmatch(line.replace("<PlanSpec>", "<.*>").replace("<PlanStatus>", "<.*>"), each)
            for each in tree.splitlines()
        ), line
    assert 'field "nope" does not exist' in await kubectl.refused("explain", "plan.spec.nope")


async def test_diff(kubectl: Kubectl) -> None:
    await kubectl.run("apply", "-f", "-", input=GOLD)
    assert await kubectl.out("diff", "-f", "-", input=GOLD) == ""
    text = (await kubectl.run("diff", "-f", "-", input=GOLD.replace("7", "9"), code=1)).out
    assert {"-  maxMembers: 7", "+  maxMembers: 9"} <= set(text.splitlines())
    text = (await kubectl.run("diff", "--server-side", "-f", "-", input=SILVER, code=1)).out
    assert "+  displayName: Silver" in text.splitlines()
    assert "(NotFound)" in await kubectl.refused("get", "plan", "silver")


async def test_auth(kubectl: Kubectl) -> None:
    assert await kubectl.out("auth", "can-i", "deletecollection", "tenants") == "yes"
    assert (await kubectl.run("auth", "can-i", "get", "pods", code=1)).out.startswith("no")
    rules = await kubectl.out("auth", "can-i", "--list")
    assert re.search(r"^plans\.tenantry\.dev +\[\] +\[\] +\[.*\bdeletecollection\b.*\]$", rules, re.MULTILINE)
    assert re.search(r"^Username +local-admin$", await kubectl.out("auth", "whoami"), re.MULTILINE)

"""`tenantry export`: what it prints makes the same objects on an empty server."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tenantry.client.resources import PAGE
from tests.support.cli import Tenantry, beside
from tests.support.server import ServerInProcess, running_server
from tests.worktree import ROOT

#: labels, annotations, finalizers, multi-line text, and text that readers of YAML disagree on
AWKWARD = """
apiVersion: tenantry.dev/v1alpha1
kind: Config
metadata:
  name: awkward
  namespace: elsewhere
  labels: {tenantry.example/ring: "on", version: "1e3"}
  annotations:
    note: "12:30:00"
    text: |
      one
        two

      three
  finalizers: [tenants.example/hold]
spec:
  configSet: other
  scope: {plan: {ref: pro}}
  values:
    "on": "off"
    "0o17": ["0777", "1_000", "2026-01-01", "<<", "=", "~", "null", ""]
    number: 1.5
    large: 123456789012345678
    "tab\\t": "quote\\" back\\\\slash \\u2028 \\U0001F600 \\x7f"
"""


async def test_an_empty_server_gets_the_same(tenantry: Tenantry, tmp_path: Path) -> None:
    for manifests, given in ((str(ROOT / "k8s/samples"), ""), ("-", AWKWARD)):
        applied = await tenantry("apply", "-f", manifests, given=given)
        assert applied.exit_code == 0, applied.output
    exported = await tenantry("export")
    assert exported.exit_code == 0
    async with running_server(tmp_path / "other") as server:
        other = beside(server)
        applied = await other("apply", "-f", "-", given=exported.stdout)
        assert applied.stdout.endswith("\n9 created, 0 configured, 0 unchanged, 0 failed\n"), applied.output
        assert (await other("export")).stdout == exported.stdout
        assert await objects(other) == await objects(tenantry)


async def objects(tenantry: Tenantry) -> list[Any]:
    """All objects without what is one server's own."""
    listed = yaml.safe_load((await tenantry("get", "all", "-A", "-o", "yaml")).stdout)["items"]
    for each in listed:
        for own in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
            each["metadata"].pop(own, None)
        del each["status"]  # computed from what is compared here, some of it later
    return list(listed)


async def test_what_kubectl_has_noted_stays_kubectls(tenantry: Tenantry, server: ServerInProcess) -> None:
    """Sent along it would be the command line's: the next `kubectl apply` changes it, and the next apply conflicts."""
    path, noted = "/apis/tenantry.dev/v1alpha1/plans", "kubectl.kubernetes.io/last-applied-configuration"
    plan: dict[str, Any] = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Plan"}
    plan |= {"metadata": {"name": "pro", "annotations": {noted: "{}", "a": "b"}}, "spec": {"displayName": "Pro"}}
    merge = {"Content-Type": "application/merge-patch+json"}
    async with server.session() as session:
        async with session.post(f"{path}?fieldManager=kubectl-client-side-apply", json=plan) as made:
            assert made.status == 201
        exported = (await tenantry("export")).stdout
        assert yaml.safe_load(exported)["metadata"]["annotations"] == {"a": "b"}
        for number in range(2):
            applied = await tenantry("apply", "-f", "-", given=exported)
            assert applied.exit_code == 0, applied.output
            change = {"metadata": {"annotations": {noted: str(number)}}}
            again = f"{path}/pro?fieldManager=kubectl-client-side-apply"
            async with session.patch(again, json=change, headers=merge) as patched:
                assert patched.status == 200


async def test_what_is_being_deleted_is_left_out(tenantry: Tenantry) -> None:
    await tenantry("apply", "-f", "-", given=AWKWARD)
    await tenantry("delete", "-f", "-", given=AWKWARD)
    exported = await tenantry("export")
    assert exported.stdout == ""
    assert exported.stderr == "tenantry: left out, being deleted: config.tenantry.dev/awkward\n"


async def test_a_part_can_be_exported(tenantry: Tenantry) -> None:
    await tenantry("apply", "-f", str(ROOT / "k8s/samples"))
    plans = list(yaml.safe_load_all((await tenantry("export", "plans")).stdout))
    assert [each["metadata"]["name"] for each in plans] == ["ent", "pro", "starter"]
    internal = list(yaml.safe_load_all((await tenantry("export", "-l", "ring=internal")).stdout))
    assert [each["metadata"]["name"] for each in internal] == ["acme"]


@pytest.mark.slow
async def test_more_than_a_page_is_shown_and_exported(tenantry: Tenantry) -> None:
    plan = "{apiVersion: tenantry.dev/v1alpha1, kind: Plan, metadata: {name: p%03d}, spec: {displayName: P}}"
    manifests = "\n---\n".join(plan % number for number in range(PAGE + 1))
    assert (await tenantry("apply", "-f", "-", given=manifests)).exit_code == 0
    assert len((await tenantry("get", "plans")).stdout.splitlines()) == 1 + PAGE + 1
    assert len((await tenantry("get", "plans", "-o", "name")).stdout.splitlines()) == PAGE + 1
    assert len(list(yaml.safe_load_all((await tenantry("export")).stdout))) == PAGE + 1

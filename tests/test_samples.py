"""The samples do what the README says: each home takes them, in any order, and without a cluster all become Ready."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tenantry.client.resources import Query, Resources
from tenantry.client.session import Session
from tenantry.model.kinds import BY_NAME, Address, Kind
from tenantry.model.manifest import Manifest, parse
from tenantry.model.patches import merge_patch
from tenantry.model.yamldoc import load
from tests.cluster.controlplane import ControlPlane
from tests.support.server import ServerInProcess
from tests.worktree import ROOT, named

FILES = sorted((ROOT / "k8s/samples").glob("*.yaml"))
SAMPLES = [document.tree for path in FILES for document in load(path.read_text())]
#: seconds for what other objects cause
PATIENCE = 20


def name_of(sample: dict[str, Any]) -> str:
    return f"{sample['kind']}/{sample['metadata']['name']}"


@pytest.mark.parametrize("sample", SAMPLES, ids=name_of)
def test_a_sample_has_the_right_shape(sample: dict[str, Any]) -> None:
    found = parse(sample)
    assert isinstance(found, Manifest), found
    assert found.unknown == ()


@pytest.mark.parametrize("sample", SAMPLES, ids=name_of)
def test_a_second_apply_of_a_sample_says_that_nothing_changes(sample: dict[str, Any]) -> None:
    found = parse(sample)
    assert isinstance(found, Manifest)
    assert merge_patch(found.spec, sample["spec"]) == found.spec, "what kubectl compares and sends: lists are whole"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_is_named_after_its_kind(path: Path) -> None:
    assert {BY_NAME[document.tree["kind"]].plural for document in load(path.read_text())} == {path.stem}


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "backwards"])
async def test_all_become_ready_without_a_cluster(server: ServerInProcess, order: int) -> None:
    async with Session(server.base_url, server.token) as session:
        resources = Resources(session, "tests")
        for sample in SAMPLES[::order]:
            metadata = sample["metadata"]
            address = Address(BY_NAME[sample["kind"]], metadata.get("namespace", ""), metadata["name"])
            await resources.apply(address, sample)
        async with asyncio.timeout(PATIENCE):
            for kind in BY_NAME.values():
                await all_ready(resources, kind)


async def all_ready(resources: Resources, kind: Kind) -> None:
    """Return once every object of a kind is Ready."""
    objects, since = await resources.list(Query(kind))
    waiting = {each["metadata"]["uid"] for each in objects if not is_ready(each)}
    if not waiting:
        return
    async for event in resources.watch(Query(kind), since):
        if is_ready(event.object):
            waiting.discard(event.object["metadata"]["uid"])
        if not waiting:
            return


def is_ready(found: dict[str, Any]) -> bool:
    conditions = found.get("status", {}).get("conditions", [])
    return ("Ready", "True") in {(each["type"], each["status"]) for each in conditions}


@pytest.mark.cluster
def test_a_cluster_takes_them(control_plane: ControlPlane) -> None:
    control_plane.kubectl("apply", "-f", str(ROOT / "k8s/crds"))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    control_plane.kubectl(
        "apply", "-f", "-", input="{apiVersion: v1, kind: Namespace, metadata: {name: tenantry-system}}"
    )
    taken = control_plane.kubectl(
        "apply", "--server-side", "--validate=strict", "--dry-run=server", "-o", "name", "-f", str(ROOT / "k8s/samples")
    )
    assert len(taken.stdout.splitlines()) == len(SAMPLES)

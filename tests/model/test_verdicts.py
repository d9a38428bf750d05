"""One table, one verdict: from parse, from the generated JSON Schema, from a real kube-apiserver and from our API."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import jsonschema
import pytest

from tenantry.model import manifest, schema
from tenantry.model.kinds import KINDS, Kind
from tests.cluster.controlplane import ControlPlane
from tests.model.verdict import ACCEPTED, Row, verdict_of_parse, verdict_over_http
from tests.model.verdict_rows import rows
from tests.support.server import running_server

ROOT = Path(__file__).parents[2]
ROWS = rows()
ASKED = [row for row in ROWS if not row.http]
OF_A_KIND = [row for row in ROWS if isinstance(manifest.kind_of(row.document), Kind)]
AT_ONCE = 8


def test_the_table_is_large_and_half_of_it_is_bad() -> None:
    bad = [row for row in ROWS if row.expected.status != ACCEPTED]
    assert len(ROWS) >= 120
    assert len(bad) >= len(ROWS) / 2
    assert len({row.id for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_parse_says_what_the_table_says(row: Row) -> None:
    assert verdict_of_parse(row) == row.expected


@pytest.mark.parametrize(
    "row", [row for row in OF_A_KIND if not row.json_schema and row.old is None], ids=lambda row: row.id
)
def test_the_json_schema_says_the_same(row: Row) -> None:
    kind = manifest.kind_of(row.document)
    assert isinstance(kind, Kind)
    validator = jsonschema.Draft202012Validator(schema.json_schema(kind))
    assert validator.is_valid(row.document) == (row.expected.status == ACCEPTED)


def _read(tree: object) -> object:
    """``tree`` as a server reads it from JSON: a whole number beyond 64 bits is a float."""
    return json.loads(
        json.dumps(tree), parse_int=lambda digits: int(digits) if abs(int(digits)) < 2**63 else float(digits)
    )


async def _differences(session: aiohttp.ClientSession, url: str) -> dict[str, str]:
    """The rows on which a server says something else, or sets other defaults than parse does."""
    differences: dict[str, str] = {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(row: Row) -> None:
        async with gate:
            said = await verdict_over_http(session, url, row)
        expected = row.expected.over_http()
        if said != expected:
            differences[row.id] = f"said {said}, expected {expected}"
        elif said.stored is not None and said.stored != (ours := _read(verdict_of_parse(row).stored)):
            differences[row.id] = f"stored {json.dumps(said.stored)}, parse made {json.dumps(ours)}"

    together = [row for row in ASKED if row.old is None]
    await asyncio.gather(*(ask(row) for row in together))
    for row in ASKED:
        if row.old is not None:
            await ask(row)
    return differences


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A session of the administrator with the real kube-apiserver, which has our CRDs."""
    await asyncio.to_thread(_install, control_plane)
    headers = {"Authorization": f"Bearer {control_plane.admin_token}"}
    trust = ssl.create_default_context(cafile=control_plane.ca_path)
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        yield session, control_plane.url


def _install(plane: ControlPlane) -> None:
    plane.kubectl("apply", "--server-side", "-f", str(ROOT / "k8s" / "crds"))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    # what other tests left goes, and so does whatever holds it: a name that is taken would be the verdict
    for kind in KINDS:
        plane.kubectl("delete", kind.qualified, "--all", "--all-namespaces", "--wait=false")
        places = "jsonpath={range .items[*]}{.metadata.name} --namespace={.metadata.namespace}{'\\n'}{end}"
        for held in plane.kubectl("get", kind.qualified, "--all-namespaces", "-o", places).stdout.splitlines():
            place = [part for part in held.split() if part != "--namespace="]
            plane.kubectl("patch", kind.qualified, *place, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


@pytest.mark.cluster
async def test_a_real_kube_apiserver_says_the_same(kube: tuple[aiohttp.ClientSession, str]) -> None:
    assert await _differences(*kube) == {}


@pytest.mark.slow
async def test_our_api_says_the_same(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server, server.session() as session:
        assert await _differences(session, server.base_url) == {}

"""The pages of metrics, of the server and of the operator: what is declared, and nothing else of ours."""

import asyncio
import re
import subprocess
from asyncio.subprocess import PIPE, STDOUT
from types import ModuleType

import aiohttp
import pytest
from prometheus_client.exposition import choose_encoder

from tenantry import metrics as api
from tenantry_operator import metrics as operator
from tests.support.cluster import demand
from tests.support.labels import STANDARD, strays, values
from tests.support.server import ServerInProcess
from tests.worktree import ROOT

FORMATS = {"Prometheus": "text/plain", "OpenMetrics": "application/openmetrics-text; version=1.0.0"}


@pytest.mark.parametrize("accept", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("metrics", [api, operator], ids=["server", "operator"])
async def test_a_page_shows_exactly_what_is_declared(metrics: ModuleType, accept: str) -> None:
    encode, _ = choose_encoder(accept)  # as the server does: in an event loop, whose time the ages of work go by
    page = encode(metrics.REGISTRY).decode()
    families = re.findall(r"^# TYPE (\w+) (\w+)$", page, re.MULTILINE)
    shown = {name for name, _ in families if not name.startswith(STANDARD)}
    stem = re.compile(r"_(total|info)$")  # OpenMetrics names a family without it
    assert {stem.sub("", name) for name in shown} == {stem.sub("", metric.name) for metric in metrics.METRICS}
    assert "_created" not in page


@pytest.fixture(scope="module")
def promtool() -> str:
    """The tool that comes with Debian's Prometheus."""
    demand("promtool")
    return "promtool"


@pytest.mark.slow
@pytest.mark.parametrize("metrics", [api, operator], ids=["server", "operator"])
async def test_names_and_texts_are_as_prometheus_has_them(promtool: str, metrics: ModuleType) -> None:
    encode, _ = choose_encoder("text/plain")
    process = await asyncio.create_subprocess_exec(promtool, "check", "metrics", stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    said, _ = await process.communicate(encode(metrics.REGISTRY))
    assert (process.returncode, said) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prometheus.yml", "kubernetes.yml"])
def test_what_is_scraped_is_valid(promtool: str, name: str) -> None:
    path = ROOT / "k8s" / "prometheus" / name
    subprocess.run([promtool, "check", "config", path], capture_output=True, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("metrics", [api, operator], ids=["server", "operator"])
def test_every_label_has_a_closed_set_of_values(metrics: ModuleType) -> None:
    labels = [(metric.name, label) for metric in metrics.METRICS for label in metric.labels]
    assert [each for each in labels if not values(*each)] == []


@pytest.mark.slow
async def test_no_client_makes_a_new_series(server: ServerInProcess) -> None:
    """Whatever it asks for, by whatever method and with whatever credential."""
    asked = ["/", "/apis/tenantry.dev/v1alpha1/tenants/0190c6f2", "/v1/nothing/7", "/apis/x/y", "/version?a=1"]
    async with server.session() as session:
        others = await _strays(server, session)  # of routes that other tests in this process have added
        for method in ("GET", "PUT", "BREW", "get"):
            for path in asked:
                for token in (server.token, "x", "tnk_0", "a.b.c"):
                    headers = {"Authorization": f"Bearer {token}"}
                    async with session.request(method, path, headers=headers) as answer:
                        await answer.read()
        assert await _strays(server, session) == others


async def _strays(server: ServerInProcess, session: aiohttp.ClientSession) -> list[str]:
    async with session.get(f"{server.ops_url}/metrics") as answer:
        return strays(await answer.text())

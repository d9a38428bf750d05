"""429: in the client's own words, before anything is done; who is limited, and who is not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest

from tenantry import metrics
from tenantry.model.credentials import new_token
from tenantry.services import rate_exchange
from tests.cluster import tools
from tests.cluster.databases import DatabaseServer
from tests.support.application import KUBERNETES, Application
from tests.support.cluster import demand
from tests.support.databases import emptied
from tests.support.kubectl import Kubectl
from tests.support.limits import Still
from tests.support.server import running_server


@pytest.fixture
async def api(tmp_path: Path, limits_clock: Still) -> AsyncIterator[Application]:
    """A server with small limits: 20 at once for a credential, 10 for an address."""
    del limits_clock
    async with running_server(tmp_path, rate_limit=2, rate_limit_anonymous=1) as server, server.session() as session:
        yield Application(session, server)


async def test_one_too_many_is_refused_before_anything_is_done(api: Application, limits_clock: Still) -> None:
    async with api.as_key("platform:admin") as robot:
        for _ in range(20):
            assert (await robot.get("/v1/me")).status == 200
        refused = await robot.get("/v1/me")
        assert (refused.status, refused.code, refused.headers["Retry-After"]) == (429, "too_many_requests", "1")
        body = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Plan", "metadata": {"name": "pro"}}
        refused = await robot.post(f"{KUBERNETES}/plans", body | {"spec": {"displayName": "Pro"}})
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert (refused.body["kind"], refused.body["reason"]) == ("Status", "TooManyRequests")
        assert refused.body["details"]["retryAfterSeconds"] == 1
        assert (await api.get(f"{KUBERNETES}/plans")).body["items"] == []  # and others go on
        limits_clock.now += 1
        assert [(await robot.get("/v1/me")).status for _ in range(3)] == [200, 200, 429]
        # what is the same for everybody is free
        for path in ("/apis/tenantry.dev/v1alpha1", "/version", "/openapi.json"):
            assert (await robot.get(path)).status == 200


async def test_a_watch_goes_on(api: Application) -> None:
    made = await api.tenant("acme")
    path = f"{KUBERNETES}/tenants?watch=true&resourceVersion={made['metadata']['resourceVersion']}"
    async with api.as_key("platform:read") as robot, robot.session.get(path) as watch:
        assert watch.status == 200
        while (await robot.get("/v1/me")).status == 200:
            pass
        await api.tenant("beta")
        async with asyncio.timeout(10):
            event = orjson.loads(await watch.content.readline())
            while event["object"]["metadata"]["name"] != "beta":
                event = orjson.loads(await watch.content.readline())


async def test_a_plan_limits_the_credentials_of_a_tenant_together(api: Application, limits_clock: Still) -> None:
    spec = {"displayName": "Pro", "rateLimit": {"requestsPerSecond": 1, "burst": 4}}
    await api.create("plans", "pro", spec)
    own = (await api.tenant("acme"))["status"]["tenantID"]
    async with (
        api.as_key("platform:read", tenant_id=own) as one,
        api.as_key("platform:read", tenant_id=own) as two,
        api.as_key("platform:read") as platform,
    ):
        assert [(await each.get("/v1/me")).status for each in (one, two, one, two, one, two)] == [200] * 4 + [429] * 2
        assert (await platform.get("/v1/me")).status == 200
        await api.patch("plans/pro", {"spec": {"rateLimit": {"burst": 6}}})
        await api.server.services.feed.reach(
            int((await api.get(f"{KUBERNETES}/plans")).body["metadata"]["resourceVersion"])
        )
        assert [(await each.get("/v1/me")).status for each in (one, two, one)] == [200, 200, 429]
        limits_clock.now += 1
        assert [(await each.get("/v1/me")).status for each in (one, two)] == [200, 429]


async def test_who_guesses_is_refused_and_who_has_a_key_is_not(api: Application) -> None:
    guesses = [{"Authorization": f"Bearer {new_token()[0]}"} for _ in range(12)]
    async with api.as_key("platform:read") as robot, aiohttp.ClientSession(api.server.base_url) as stranger:
        assert (await robot.get("/v1/me")).status == 200
        statuses = []
        for headers in guesses:
            async with stranger.get("/v1/me", headers=headers) as answer:
                statuses.append(answer.status)
        assert statuses == [401] * 10 + [429] * 2
        async with stranger.get("/v1/me") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        async with stranger.get("/version") as answer:
            assert answer.status == 200
        assert (await robot.get("/v1/me")).status == 200
        # nothing is looked up for a guess
        (digest,) = {headers["Authorization"].split("_")[1] for headers in guesses[-1:]}
        assert ("ApiKey", digest) not in api.server.services.standing._entries


async def test_a_person_is_shown_a_page_before_anybody_knows_who_they_are(api: Application) -> None:
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with aiohttp.ClientSession(api.server.base_url, headers=accept) as stranger:
        for _ in range(10):
            async with stranger.get("/login") as answer:
                assert answer.status == 200
        async with stranger.get("/login") as answer:
            assert (answer.status, answer.content_type, answer.headers["Retry-After"]) == (429, "text/html", "1")
            assert "Too many requests" in await answer.text()
        async with stranger.get("/v1/me") as answer:
            assert (answer.status, answer.content_type) == (429, "application/problem+json")
        async with stranger.get(f"{KUBERNETES}/plans") as answer:
            assert (answer.status, (await answer.json())["kind"]) == (429, "Status")
        async with stranger.get("/docs", headers={"Host": "elsewhere.example.com"}) as answer:
            assert (answer.status, answer.content_type) == (421, "text/html")


async def test_an_expired_key_is_no_way_around(api: Application) -> None:
    async with api.as_key("platform:read", expires_at=1) as robot:
        assert [(await robot.get("/v1/me")).status for _ in range(12)] == [401] * 10 + [429] * 2


async def test_servers_over_one_database_tell_one_another(
    tmp_path: Path, database_server: DatabaseServer, limits_clock: Still, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_exchange, "SECONDS", 0.05)
    url = await emptied(database_server)
    async with (
        running_server(tmp_path / "a", database_url=url, rate_limit=100) as one,
        running_server(tmp_path / "b", database_url=url, rate_limit=100) as two,
        one.session() as session,
        Application(session, one).as_key("platform:read") as robot,
        aiohttp.ClientSession(two.base_url, headers=robot.session.headers) as other,
    ):
        own, owed = 0, 0.0
        while owed < own / 100 + 0.005:  # until the second has counted more than came to it
            assert (await robot.get("/v1/me")).status == 200
            async with other.get("/v1/me") as answer:
                assert answer.status == 200
            own += 1
            owed = max(two.services.rate_limits._full_at.values()) - limits_clock.now


@pytest.mark.cluster
@pytest.mark.parametrize("program", ["kubectl", "kubectl-1.32"])
async def test_kubectl_waits_and_tries_again(tmp_path: Path, program: str) -> None:
    demand({"kubectl": "kubectl", "kubectl-1.32": "old_kubectl"}[program])
    async with running_server(tmp_path, rate_limit=2) as server, server.session() as session:
        api = Application(session, server)
        for number in range(8):
            await api.create("plans", f"p{number}", {"displayName": "One"})
        kubectl = Kubectl(tools.program(program), server.kubeconfig, tmp_path / "home")
        await kubectl.run("get", "plans")
        refusals = metrics.RATE_LIMITED._counts.get(("credential",), 0)
        while (await api.get("/v1/me")).status == 200:
            pass
        # each page of the list is a request more than there is room for
        names = await kubectl.out("get", "plans", "--chunk-size=2", "-o", "name")
        assert len(names.splitlines()) == 8
        assert metrics.RATE_LIMITED._counts["credential",] > refusals + 1

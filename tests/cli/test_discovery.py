"""Where the command line lets somebody sign in: at the server that they have named, and at no other."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tenantry.cli.exits import exit_of
from tenantry.client import oauth
from tenantry.client.oauth import AuthorizationServer, Endpoints
from tenantry.exitcodes import Exit
from tenantry.model.errors import Code, TenantryError

PATH = "/.well-known/oauth-authorization-server"
ENDPOINTS = ("authorization", "token", "device_authorization", "revocation")


def metadata(issuer: str, /, **changed: Any) -> dict[str, Any]:
    """What a server with that issuer publishes."""
    return {"issuer": issuer} | {f"{each}_endpoint": f"{issuer}/{each}" for each in ENDPOINTS} | changed


@asynccontextmanager
async def publishing(document: dict[str, Any]) -> AsyncIterator[str]:
    """A server that publishes what the document says then; its URL."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(document)

    app = web.Application()
    app.router.add_get(PATH, answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def refused(url: str) -> TenantryError:
    """Why nobody can sign in there."""
    async with AuthorizationServer(url) as server:
        with pytest.raises(TenantryError) as error:
            await server.discover()
    return error.value


async def test_a_server_that_says_it_is_another_is_not_signed_in_at() -> None:
    other = "https://tenantry.example.com"
    async with publishing(metadata(other)) as url:
        error = await refused(url)
    assert error.code is Code.MISDIRECTED
    assert f"{url} says that it is {other}" in error.message
    assert f"--server {other}" in error.message


async def test_a_server_has_several_addresses_on_this_machine_and_one_issuer() -> None:
    first, second = metadata(""), metadata("")
    async with AsyncExitStack() as stack:
        asked, issuer = [await stack.enter_async_context(publishing(each)) for each in (first, second)]
        first.update(metadata(issuer, token_endpoint="http://127.0.0.1:9/elsewhere"))
        second.update(metadata(issuer))
        async with AuthorizationServer(asked) as server:
            assert (await server.discover()).token == f"{issuer}/token"  # as the issuer says itself
        second.update(metadata(asked))
        assert f"{issuer} says that it is {asked}" in (await refused(asked)).message


@pytest.mark.parametrize(
    "changed", [{"issuer": None}, {"issuer": ["x"]}, {"token_endpoint": 5}, {"issuer": "http://a\nb"}]
)
async def test_what_is_no_metadata_is_told(changed: dict[str, Any]) -> None:
    async with publishing(metadata("https://x.example", **changed)) as url:
        assert (await refused(url)).message == f"nobody can sign in at {url}: is it a Tenantry server?"


async def test_a_sign_in_that_nobody_finishes_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "PATIENCE_SECONDS", 0)
    opened: list[str] = []
    endpoints = Endpoints(*("https://t.example.com",) * 5)
    async with AuthorizationServer("https://t.example.com") as server:
        with pytest.raises(TenantryError, match="not signed in: nobody has come back from the browser") as caught:
            await server.sign_in(endpoints, opened.append)
    assert exit_of(caught.value) is Exit.DENIED
    assert len(opened) == 1

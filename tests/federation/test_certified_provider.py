"""Signing in with `oidc-provider`, which the OpenID Foundation has certified: what is strict there is met here."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from yarl import URL

from tenantry.storage import users
from tests.support.application import Application
from tests.support.javascript import modules
from tests.support.people import browser
from tests.support.provider import CLIENT, SECRET, Page, Visitor, target_of, visiting
from tests.support.server import running_server

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "javascript" / "provider.mjs"
KEYS: dict[str, RSAKey | ECKey | OKPKey] = {
    "RS256": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
    "PS256": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "okp", "use": "sig"}),
}


@asynccontextmanager
async def running(tmp_path: Path, **given: Any) -> AsyncIterator[str]:
    """The issuer of a provider that runs for as long as the context."""
    home = tmp_path / "javascript"
    home.mkdir()
    (home / "node_modules").symlink_to(modules(SCRIPT.parent))
    shutil.copy(SCRIPT, home)  # modules are looked for beside the script
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", SCRIPT.name, json.dumps(given), cwd=home, stdin=pipe, stdout=pipe
    )
    assert process.stdin
    assert process.stdout
    try:
        async with asyncio.timeout(60):
            yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


async def sign_in(visitor: Visitor, path: str) -> Page:
    """Follow every redirect of the provider until it sends the browser back to us."""
    url = target_of(await visitor.press(path))
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        while not url.startswith(visitor.base_url):
            async with session.get(url, allow_redirects=False) as answer:
                assert answer.status in {302, 303}, (url, await answer.text())
                url = str(answer.url.join(URL(answer.headers["Location"])))
    return await visitor.get(url)


@pytest.mark.parametrize(
    ("algorithm", "authentication"),
    [("RS256", "client_secret_basic"), ("PS256", "client_secret_post"), ("ES256", "none"), ("EdDSA", "none")],
)
async def test_a_person_signs_in(tmp_path: Path, algorithm: str, authentication: str) -> None:
    secret = {} if authentication == "none" else {"clientSecret": SECRET}
    async with (
        running_server(tmp_path, outbound_allow=("127.0.0.1",)) as server,
        running(
            tmp_path,
            clientID=CLIENT,
            **secret,
            redirectURIs=[f"{server.base_url}/login/with/certified/callback"],
            algorithm=algorithm,
            authentication=authentication,
            keys=[KEYS[algorithm].as_dict(private=True)],
            account="ada-1",
            claims={"email": "ada@example.com", "email_verified": True, "name": "Ada"},
        ) as issuer,
        server.session() as session,
        visiting(server) as visitor,
    ):
        admin = Application(session, server)
        entry = {"name": "certified", "displayName": "Certified", "issuer": issuer, "clientID": CLIENT, **secret}
        made = await admin.post("/v1/identity-providers", {**entry, "autoProvision": True})
        assert made.status == 201, made.body
        page = await sign_in(visitor, "/login/with/certified?return_to=/here")
        assert (page.status, page.location) == (303, "/here"), page.text
        user = await server.services.db.run(users.find, "ada@example.com")
        assert user
        assert user.name == "Ada"
        async with browser(server, visitor.cookies["__Host-tenantry"]) as api:
            assert (await api.get("/v1/me")).body["name"] == f"user:{user.id}"
        again = await sign_in(visitor, "/login/with/certified")
        assert again.status == 303, again.text
        fresh = await sign_in(visitor, "/login/with/certified?return_to=/device&fresh=1")  # max_age=0 and prompt=login
        assert (fresh.status, fresh.location) == (303, "/device"), fresh.text
        assert "Connect a device" in (await visitor.get("/device")).text
        rows = [row for row in await admin.items("/v1/audit?action=session.begin") if row["result"] == "ok"]
        assert [row["message"] for row in rows] == ["fed", "fed", "fed"]

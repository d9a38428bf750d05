"""`tenantry login`: through a browser or by a code, for the command line and for kubectl."""

import asyncio
import json
import os
import re
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenantry.client.logins import Logins
from tenantry.exitcodes import Exit
from tenantry.model.identity import User
from tenantry.model.permissions import Role
from tenantry.web.authentication import SESSION_COOKIE
from tests.cluster import tools
from tests.cluster.processes import free_port
from tests.support.application import Application
from tests.support.browsing import Browser, browsing
from tests.support.cluster import demand
from tests.support.kubectl import Kubectl
from tests.support.oauth import issuing_server
from tests.support.people import add_member, add_session, add_user
from tests.support.server import ServerInProcess

pytestmark = pytest.mark.slow

SECONDS = 60
#: a browser that somebody is signed in with: it opens what it is told, allows what it is asked, and goes where it is
#: sent
BROWSER = """\
#!{python}
import re, ssl, sys
import urllib.parse, urllib.request
from html import unescape
context = ssl.create_default_context(cafile={ca!r})
opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
opener.addheaders = [("Cookie", {cookie!r})]
page = opener.open(sys.argv[1]).read().decode()
assert "command line on this computer" in page
form = {{name: unescape(value) for name, value in re.findall(r'name="(csrf|request)" value="([^"]*)"', page)}}
sent = urllib.parse.urlencode({{**form, "decision": "allow"}}).encode()
url = urllib.parse.urljoin(sys.argv[1], "/oauth/consent")
opener.addheaders.append(("Origin", url.removesuffix("/oauth/consent")))
print(opener.open(url, sent).read().decode(), file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where somebody works: what they keep there, and the browser that they are signed in with."""

    server: ServerInProcess
    user: User
    home: Path
    cookie: str

    @property
    def logins(self) -> Logins:
        """What is kept."""
        return Logins(self.home / "tenantry")

    @property
    def environment(self) -> dict[str, str]:
        """Of its programs."""
        rest = {name: value for name, value in os.environ.items() if not name.startswith(("TENANTRY_", "KUBE"))}
        return {**rest, "XDG_CONFIG_HOME": str(self.home), "BROWSER": f"{self.home / 'browser'} %s"}

    @asynccontextmanager
    async def begun(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A command that was begun, for some time at most; it is ended at the end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tenantry", *arguments, stdout=PIPE, stderr=PIPE, env=self.environment, cwd=self.home
        )
        try:
            async with asyncio.timeout(SECONDS):
                yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """What a command prints, on both ways."""
        async with self.begun(*arguments) as process:
            out, err = await process.communicate()
        assert process.returncode == code, err.decode()
        return out.decode(), err.decode()

    def expire(self) -> None:
        """Let the access tokens that are kept be old."""
        file = self.home / "tenantry" / "logins.json"
        kept = json.loads(file.read_text())
        for login in kept.values():
            login["expires_at"] = time.time() + 30
        file.write_text(json.dumps(kept))


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """Of Ada, an owner of acme."""
    home = tmp_path / "home"
    home.mkdir()
    async with issuing_server(tmp_path) as server, server.session() as session:
        tenant = (await Application(session, server).tenant("acme"))["status"]["tenantID"]
        user = await add_user(server)
        await add_member(server, tenant, user, Role.OWNER)
        cookie = await add_session(server, user, tenant)
        script = home / "browser"
        script.write_text(BROWSER.format(python=sys.executable, ca=str(server.ca), cookie=f"{SESSION_COOKIE}={cookie}"))
        script.chmod(0o700)
        yield Machine(server, user, home, cookie)


def url(machine: Machine) -> str:
    return machine.server.services.settings.external_url


async def sign_in(machine: Machine) -> str:
    out, _ = await machine.run("login", "--server", url(machine), "--ca-file", str(machine.server.ca))
    return out


async def test_who_signs_in_through_the_browser_works_as_themselves(machine: Machine) -> None:
    said = await sign_in(machine)
    assert machine.user.email in said
    assert f"export KUBECONFIG={machine.logins.kubeconfig}" in said
    (context,) = yaml.safe_load(machine.logins.kubeconfig.read_text())["contexts"]
    assert context["context"]["namespace"] == "tenantry-system"
    for file in ("logins.json", "kubeconfig", "lock"):
        assert (machine.home / "tenantry" / file).stat().st_mode & 0o777 == 0o600
    out, _ = await machine.run("get", "tenants", "--server", url(machine))
    assert "acme" in out
    out, _ = await machine.run("get", "tenants")  # the only server that is known
    assert "acme" in out
    _, err = await machine.run("login")
    assert err.startswith(f"Signing in at {url(machine)}, which {machine.logins.kubeconfig} names.\n")
    assert "Commands of this program" not in err


async def test_who_signs_in_beside_a_data_directory_is_told_what_goes_first(machine: Machine) -> None:
    own = machine.home / ".tenantry" / "kubeconfig"
    own.parent.mkdir()
    own.write_text(machine.server.kubeconfig.read_text())
    _, err = await machine.run("login", "--server", url(machine), "--ca-file", str(machine.server.ca))
    told = f"Commands of this program go by .tenantry/kubeconfig here; with --server {url(machine)} by this sign-in.\n"
    assert err.endswith(told)
    own.write_text(own.read_text().replace(machine.server.token, "other"))
    await machine.run("get", "tenants", code=Exit.DENIED)
    out, _ = await machine.run("get", "tenants", "--server", url(machine))
    assert "acme" in out
    _, err = await machine.run("get", "tenants", "--server", "https://localhost:99999", code=Exit.WRONG_SETTING)
    assert err == "tenantry: --server: https://localhost:99999 is no URL: Port out of range 0-65535\n"
    await machine.run("get", "tenants", "--server", "", code=Exit.DENIED)  # as if it was not there


async def test_who_signs_in_by_a_code_compares_it_in_any_browser(machine: Machine) -> None:
    login = ("login", "--device", "--server", url(machine), "--ca-file", str(machine.server.ca))
    async with machine.begun(*login) as process:
        assert process.stderr
        told = ""
        while not (found := re.search(r"^ {2}(\S{4}-\S{4})$", told, re.MULTILINE)):
            told += (await process.stderr.readline()).decode()
        assert f"{url(machine)}/device" in told
        async with browsing(machine.server) as browser:
            browser.cookies[SESSION_COOKIE] = machine.cookie
            await connect(browser, found[1])
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert machine.user.email in out.decode()
    scopes = await scopes_of(machine)
    assert "resources:read" in scopes
    assert not [scope for scope in scopes if scope.startswith("platform:")]


async def connect(browser: Browser, code: str) -> None:
    asked = await browser.get("/device")
    shown = await browser.submit(asked, user_code=code)
    assert shown.status == 200
    told = " ".join(shown.text.split())
    assert "act for you, ada@example.com" in told
    assert "in the tenant acme and in no other" in told
    assert (await browser.submit(shown, user_code=code, decision="allow")).status == 200


async def scopes_of(machine: Machine) -> list[str]:
    token, _ = await machine.logins.token(url(machine))
    async with machine.server.session() as session:
        answer = await Application(session, machine.server).get("/v1/me", Authorization=f"Bearer {token}")
    return list(answer.body["scopes"])


async def test_who_signs_in_over_plain_http_trusts_the_issuer_first(machine: Machine) -> None:
    out, err = await machine.run("login", "--server", machine.server.base_url, code=Exit.UNAVAILABLE)
    assert out == ""
    assert err.startswith(f"tenantry: {url(machine)} cannot be reached: its certificate is not trusted: ")
    assert err.endswith("; name its CA with --ca-file (of `make run`: .tenantry/ca.crt)\n")  # and no browser was opened
    ca = ("--ca-file", str(machine.server.ca))
    out, _ = await machine.run("login", "--server", machine.server.base_url, *ca)
    assert machine.user.email in out
    machine.expire()
    out, _ = await machine.run("get", "tenants", "--server", machine.server.base_url)
    assert "acme" in out


@pytest.mark.cluster
async def test_kubectl_works_as_who_is_signed_in_also_many_at_once(machine: Machine) -> None:
    demand("kubectl")
    await sign_in(machine)
    kubectl = Kubectl(tools.program("kubectl"), machine.logins.kubeconfig, machine.home)
    environment: dict[str, Any] = {"XDG_CONFIG_HOME": str(machine.home), "PYTHONPATH": os.pathsep.join(sys.path)}
    who = (await kubectl.run("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", **environment)).out
    assert who == f"user:{machine.user.id}"
    for _ in range(2):
        machine.expire()  # each would refresh it: two at once look like a thief
        shown = await asyncio.gather(*(kubectl.run("get", "tenants", "-o", "name", **environment) for _ in range(4)))
        assert {each.out.strip() for each in shown} == {"tenant.tenantry.dev/acme"}


async def test_a_token_is_refreshed_in_time_and_told_as_kubectl_wants_it(machine: Machine) -> None:
    await sign_in(machine)
    first, _ = await machine.run("token", "--server", url(machine))
    assert (await machine.run("token", "--server", url(machine)))[0] == first
    machine.expire()
    second, _ = await machine.run("token", "--server", url(machine))
    assert second != first
    login = machine.logins.find(url(machine))
    assert login
    assert login.expires_at > time.time() + 600


async def test_who_signs_out_while_the_server_is_away_is_forgotten_here(machine: Machine) -> None:
    await sign_in(machine)
    kept = machine.logins.find(url(machine))
    assert kept
    for endpoint, code in (
        (f"https://127.0.0.1:{free_port()}/oauth/revoke", Exit.UNAVAILABLE),
        (kept.revocation_endpoint.replace("/oauth/revoke", "/oauth/introspect"), Exit.DENIED),
    ):
        machine.logins.add(replace(kept, revocation_endpoint=endpoint))
        out, err = await machine.run("logout", "--server", url(machine), code=code)
        assert not out
        assert f"they are forgotten here, and you take them back at {url(machine)}/account/grants: " in err
        assert machine.logins.find(url(machine)) is None
        assert not machine.logins.kubeconfig.exists()


async def test_who_signs_out_is_known_nowhere_any_more(machine: Machine) -> None:
    await sign_in(machine)
    kept = machine.logins.find(url(machine))
    assert kept
    _, err = await machine.run("logout", "--server", machine.server.base_url)
    assert err == f"Nobody is signed in at {machine.server.base_url} (signed in at: {url(machine)}).\n"
    _, err = await machine.run("token", "--server", machine.server.base_url, code=Exit.DENIED)
    assert f"not signed in at {machine.server.base_url} (signed in at: {url(machine)}): tenantry login" in err
    _, err = await machine.run("get", "tenants", "--server", machine.server.base_url, code=Exit.DENIED)
    assert f"no token for {machine.server.base_url} is known (signed in at: {url(machine)}): give one" in err
    machine.logins.add(replace(kept, server="https://other.example"))
    out, err = await machine.run("logout", "--server", url(machine).replace("localhost", "127.0.0.1"))
    assert out == f"You are signed out of {url(machine)}.\n"
    assert err == f"The kubeconfig {machine.logins.kubeconfig} is for https://other.example now.\n"
    assert machine.logins.find(url(machine)) is None
    machine.logins.remove("https://other.example")
    _, err = await machine.run("token", "--server", url(machine), code=Exit.DENIED)
    assert f"tenantry login --server {url(machine)}" in err
    _, err = await machine.run("token", code=Exit.DENIED)
    assert err == "tenantry: nobody is signed in: tenantry login --server URL\n"
    _, err = await machine.run("logout", "--server", url(machine))
    assert "Nobody is signed in" in err
    assert [path.name for path in machine.logins.kubeconfig.parent.iterdir()] == ["lock"]
    await sign_in(machine)
    _, err = await machine.run("logout", "--server", url(machine))
    assert err == f"The kubeconfig {machine.logins.kubeconfig} is removed: unset KUBECONFIG if it names that.\n"
    machine.logins.add(kept)  # what somebody has copied before
    machine.expire()
    _, err = await machine.run("get", "tenants", "--server", url(machine), code=Exit.DENIED)
    assert err == f"tenantry: the sign-in has ended: tenantry login --server {url(machine)}\n"
    _, err = await machine.run("token", "--server", url(machine), code=Exit.DENIED)
    assert "the sign-in has ended" in err


async def test_only_an_answer_to_our_question_counts(machine: Machine) -> None:
    (machine.home / "browser").write_text("#!/bin/sh\n")
    login = ("login", "--server", url(machine), "--ca-file", str(machine.server.ca))
    async with machine.begun(*login) as process:
        assert process.stderr
        told = ""
        while not (found := re.search(r"redirect_uri=http%3A%2F%2F127\.0\.0\.1%3A(\d+)%2F.*state=([\w-]+)", told)):
            told += (await process.stderr.readline()).decode()
        port, state = int(found[1]), found[2]
        for path, status in (
            ("/callback?code=x&state=wrong", 404),
            (f"/callback?code=x&state={state}", 400),
            (f"/callback?code=x&state={state}&iss=https%3A%2F%2Fmallory.example", 400),
            ("/", 404),
            (f"/callback?error=access_denied&state={state}&iss={url(machine)}", 200),
        ):
            assert await ask(port, path) == status, path
        _, err = await process.communicate()
    assert process.returncode == Exit.DENIED
    assert b"access_denied" in err


async def ask(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = await reader.readline()
    writer.close()
    return int(head.split()[1])


async def test_what_is_damaged_or_nobody_s_is_said_in_one_line(machine: Machine) -> None:
    _, err = await machine.run("login", "--server", f"{machine.server.ops_url}", code=Exit.FAILED)
    assert "is it a Tenantry server?" in err
    folder = machine.home / "tenantry"
    folder.mkdir(exist_ok=True)
    (folder / "logins.json").write_text("{")
    _, err = await machine.run("token", "--server", url(machine), code=Exit.FAILED)
    assert err.count("\n") == 1
    assert "is damaged: remove it, and sign in again" in err

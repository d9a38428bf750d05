"""A whole life at log level debug: no secret that the server issued or was given is kept or told anywhere."""

import ast
import json
import re
import time
from base64 import b64encode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import quote, quote_plus

import aiohttp
import pytest
from joserfc.jws import extract_compact

from tenantry.model import totp
from tenantry.model.credentials import Prefix, hash_secret
from tenantry.model.oauth import CLI
from tenantry.web.authentication import SESSION_COOKIE
from tests.support.application import Client
from tests.support.browsing import Browser, Page, browsing, log_in
from tests.support.cli import beside
from tests.support.issuer import Issuer
from tests.support.mailbox import PASSWORD as SMTP_PASSWORD
from tests.support.mailbox import Mailbox, mailbox, until
from tests.support.oauth import CALLBACK
from tests.support.oauth_http import Wire
from tests.support.people import PASSWORD
from tests.support.provider import SECRET as PROVIDER_SECRET
from tests.support.provider import OpenIDProvider, entry, running_provider, visiting
from tests.support.receiver import Receiver, running_receiver
from tests.support.server import ServerProcess, server_process
from tests.worktree import ROOT

EMAIL, NEW, WRONG = "ada@example.com", "five words that are new", "something that nobody has"
CLUSTER = Issuer()
#: every place of the server that makes something random -> what that is; a new one belongs into the run below, too
RANDOM = {
    "model/credentials": "what `Prefix` lists",
    "model/ids": "no secret",
    "model/totp": "the secret of an authenticator app",
    "model/factors": "recovery codes",
    "model/webhooks": "the secret of a webhook",
    "services/people/passwords": "a password that nobody has",
    "services/people/devices": "the cookie of a browser that was here",
    "services/oauth/grants": "user codes",
    "services/federation/sign_in": "what a browser comes back from a provider with",
    "services/encryption": "keys, and nonces which are no secret",
    "services/oauth/access_tokens": "ids of tokens, no secret",
    "web/rendering": "the cookie of forms",
    "web/middlewares": "ids of requests, no secret",
    "client/oauth": "what a client on this machine proves its code with",
}
#: what the run must have seen of what has no prefix
OTHERS = {
    *("password", "cookie", "csrf", "totp", "recovery code", "access token", "id token", "user code", "webhook"),
    *("provider", "smtp", "encryption key", "ServiceAccount token"),
}


@dataclass
class Secrets:
    """What came up in the run: kind of secret -> those of it."""

    found: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, kind: str, *secrets: str) -> None:
        """Note secrets that have no prefix."""
        assert all(secrets), kind
        self.found[kind] |= set(secrets)

    def note(self, *tokens: str) -> None:
        """Note credentials as they are shown, each by its prefix."""
        for token in tokens:
            prefix, _, secret, _ = token.split("_")
            self.found[Prefix(prefix)].add(secret)

    def note_jwt(self, kind: str, token: str) -> None:
        """Note a token by its signature; what it says is no secret."""
        self.found[kind].add(token.rpartition(".")[2])

    def note_browser(self, cookies: dict[str, str], *pages: Page) -> None:
        """Note what a browser keeps, and what the forms of its pages carry."""
        for name, value in cookies.items():
            if not value:
                continue  # taken away
            if name == SESSION_COOKIE:
                self.note(value)
            else:
                self.add("cookie", value)
        for page in pages:
            self.found["csrf"] |= {hidden["csrf"] for _, hidden in page.forms if "csrf" in hidden}

    def needles(self) -> Iterator[tuple[str, str]]:
        """(kind, text) of every form in which one may lie somewhere; a user code is short, and in the database."""
        for kind, secrets in self.found.items():
            for secret in secrets:
                yield from ((kind, form) for form in forms_of(secret))


def forms_of(secret: str) -> set[str]:
    """A secret as it may be written: as it is, escaped for URLs, in hex, and within base64 wherever it begins."""
    raw = secret.encode()
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), raw.hex(), raw.hex().upper()}
    for before in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            text = encode(b"\0" * before + raw).decode()
            start = (before * 8 + 5) // 6  # the first character that has bits of the secret alone
            found.add(text[start : (before + len(raw)) * 8 // 6])
    return found


@dataclass
class Run:
    """The server, who works on it, and what came up."""

    server: ServerProcess
    admin: Client
    browser: Browser
    box: Mailbox
    provider: OpenIDProvider
    receiver: Receiver
    secrets: Secrets = field(default_factory=Secrets)

    def note_page(self, *pages: Page) -> None:
        """Note what the person's browser has now."""
        self.secrets.note_browser(self.browser.cookies, *pages)

    async def mailed(self, path: str, asking: Awaitable[object]) -> str:
        """The path of the link below `path` that comes by mail when it is asked for."""
        known = len(self.box.mails)
        await asking
        await until(lambda: any(path in str(mail.get_content()) for mail in self.box.mails[known:]))
        text = "".join(str(mail.get_content()) for mail in self.box.mails[known:])
        found = str(re.findall(rf"{path}\S+", text)[0])
        self.secrets.note(found.rpartition("/")[2])
        return found

    async def set_up(self) -> None:
        """The first administrator, by the link for that; a second factor."""
        setup = await beside(self.server)("admin", "setup-link")
        path = re.findall(r"/setup/\S+", setup.stdout)[0]
        self.secrets.note(path.rpartition("/")[2])
        page = await self.browser.get(path)
        self.note_page(page)
        self.note_page(await self.browser.submit(page, email=EMAIL, password=PASSWORD, repeated=PASSWORD))
        page = await self.browser.get("/account/mfa")
        begun = await self.browser.follow(await self.browser.submit(page, password=PASSWORD))
        secret = re.findall(r"<code>([A-Z2-7]{32})</code>", begun.html)[0]
        self.secrets.add("totp", secret)
        done = await self.browser.submit(begun, code=totp.code_of(secret, int(time.time()) // totp.STEP_SECONDS))
        self.codes = re.findall(r"<code>([0-9a-z-]{19,})</code>", done.html)
        self.secrets.add("recovery code", *self.codes, *(code.replace("-", "") for code in self.codes))
        self.note_page(page, begun, done)

    async def sign_in(self) -> None:
        """Out and in again, with a wrong password before, by a recovery code."""
        account = await self.browser.get("/logout")
        self.note_page(account, await self.browser.submit(account))
        assert (await log_in(self.browser, EMAIL, WRONG)).status == 422
        await log_in(self.browser, EMAIL, PASSWORD)
        page = await self.browser.get("/login/mfa")
        self.note_page(page)
        self.note_page(await self.browser.submit(page, code=self.codes[0]))
        me = await self.browser.get("/v1/me")
        assert me.status == 200, me.html
        self.secrets.add("csrf", *re.findall(r'"csrfToken":\s*"([^"]+)"', me.html))

    async def work(self) -> None:
        """Keys, a service account, an invite that somebody accepts, a webhook that is told, a provider."""
        await self.admin.tenant("acme")
        key = {"name": "k", "scopes": ["resources:read"]}
        for path in ("/v1/keys", "/v1/tenants/acme/keys"):
            self.secrets.note((await self.admin.post(path, key)).body["token"])
        account = await self.admin.post("/v1/tenants/acme/service-accounts", {"name": "ci", "role": "developer"})
        made = await self.admin.post(f"{account.headers['Location']}/keys", key)
        self.secrets.note(made.body["token"])
        assert (await self.admin.get("/v1/tenants", Authorization=f"Bearer {made.body['token']}")).status == 200
        forged = made.body["token"][:-8] + "xx_000000"
        assert (await self.admin.get("/v1/tenants", Authorization=f"Bearer {forged}")).status == 401

        wanted = {"email": "eve@example.com", "role": "developer"}
        shown = await self.admin.post("/v1/tenants/acme/invites", {**wanted, "mail": False})
        self.secrets.note(shown.body["link"].rpartition("/")[2])
        path = await self.mailed("/invite/", self.admin.post("/v1/tenants/acme/invites", wanted))
        async with browsing(self.server) as other:
            page = await other.get(path)
            self.secrets.note_browser(other.cookies, page)
            await other.submit(page, name="Eve", password=NEW, repeated=NEW)
            self.secrets.note_browser(other.cookies)

        hook = await self.admin.post("/v1/webhooks", {"url": self.receiver.url})
        self.receiver.secret = hook.body["secret"]
        path = f"/v1/webhooks/{hook.body['webhook']['id']}"
        assert (await self.admin.post(f"{path}:ping")).status == 200
        await self.receiver.next()
        rotated = await self.admin.post(f"{path}:rotate")
        self.secrets.add("webhook", *(each.body["secret"].removeprefix("whsec_") for each in (hook, rotated)))

        made = await self.admin.post("/v1/identity-providers", entry(self.provider, autoProvision=True))
        assert made.status == 201, made.body
        self.provider.person |= {"email": "joe@example.com", "sub": "joe"}
        async with visiting(self.server) as visitor:
            assert (await visitor.sign_in()).status == 303
            self.secrets.note_browser(visitor.cookies)

    async def grant(self) -> None:
        """Codes and tokens of a client; a device; a pod as itself and as a client."""
        body = {
            "name": "Site",
            "grantTypes": ["authorization_code", "refresh_token", "client_credentials"],
            "redirectURIs": [CALLBACK],
            "scopes": ["openid", "offline_access", "resources:read"],
            "firstParty": True,
        }
        made = (await self.admin.post("/v1/clients", body)).body
        self.secrets.note(made["clientSecret"])
        async with self.server.session(anonymous=True) as http:
            cookie = self.browser.cookies[SESSION_COOKIE]
            wire = Wire(http, made["client"]["id"], made["clientSecret"], cookie)
            code = await wire.code(scope="openid offline_access resources:read")
            self.secrets.note(code)
            tokens = (await wire.redeem(code)).body
            self.secrets.note(tokens["refresh_token"])
            for token in (await wire.refresh(tokens["refresh_token"])).body, tokens:
                self.secrets.note(token["refresh_token"])
                self.secrets.note_jwt("access token", token["access_token"])
                self.secrets.note_jwt("id token", token["id_token"])
                bearer = {"Authorization": f"Bearer {token['access_token']}"}
                assert (await wire.call("GET", "/oauth/userinfo", headers=bearer)).status == 200
                assert (await wire.post("/oauth/introspect", token=token["refresh_token"])).status == 200
            assert (await wire.redeem(code)).status == 400  # used before
            assert (await wire.post("/oauth/revoke", token=tokens["access_token"])).status == 200
            own = await wire.post("/oauth/token", grant_type="client_credentials")
            self.secrets.note_jwt("access token", own.body["access_token"])

            device = Wire(http, CLI.id, "", cookie)
            asked = (await device.post("/oauth/device_authorization", scope="openid")).body
            self.secrets.note(asked["device_code"])
            self.secrets.add("user code", asked["user_code"], asked["user_code"].replace("-", ""))
            csrf = unescape((await device.browse(f"/device?user_code={asked['user_code']}")).field("csrf"))
            form = {"csrf": csrf, "user_code": asked["user_code"], "decision": "allow"}
            assert (await device.browse("/device", form)).status == 200
            grant = "urn:ietf:params:oauth:grant-type:device_code"
            polled = await device.post("/oauth/token", grant_type=grant, device_code=asked["device_code"])
            self.secrets.note_jwt("access token", polled.body["access_token"])

        issuer = tokens_issuer(tokens["id_token"])
        app = "system:serviceaccount:acme-prod:app"
        wanted = {"name": "Pod", "grantTypes": ["client_credentials"], "workload": {"cluster": "east", "subject": app}}
        pod = (await self.admin.post("/v1/clients", wanted)).body["client"]["id"]
        assertion, bearer_token = CLUSTER.token(CLUSTER.claims(sub=app, aud=[issuer])), CLUSTER.token()
        for token in (assertion, bearer_token):
            self.secrets.note_jwt("ServiceAccount token", token)
        form = {
            "grant_type": "client_credentials",
            "client_id": pod,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        async with self.server.session(anonymous=True) as http, http.post("/oauth/token", data=form) as answer:
            assert answer.status == 200, await answer.text()
            self.secrets.note_jwt("access token", (await answer.json())["access_token"])
        assert (await self.admin.get("/v1/me", Authorization=f"Bearer {bearer_token}")).status == 200

    async def forget(self) -> None:
        """The address is proved by mail, and then another password set."""
        page = await self.browser.get("/account")
        proof = await self.browser.get(await self.mailed("/account/email/", self.browser.submit(page)))
        self.note_page(page, proof, await self.browser.submit(proof))
        page = await self.browser.get("/password/forgot")
        self.note_page(page)
        page = await self.browser.get(await self.mailed("/password/reset/", self.browser.submit(page, email=EMAIL)))
        self.note_page(page, await self.browser.submit(page, password=NEW, repeated=NEW))
        self.note_page(await log_in(self.browser, EMAIL, NEW))


def tokens_issuer(token: str) -> str:
    """The `iss` of a token."""
    return str(json.loads(extract_compact(token.encode()).payload)["iss"])


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """One process at log level debug, with everything that it may speak to."""
    async with AsyncExitStack() as stack:
        box = stack.enter_context(mailbox(tmp_path, tls="starttls"))
        provider = await stack.enter_async_context(running_provider())
        receiver = await stack.enter_async_context(running_receiver())
        (tmp_path / "smtp-password").write_text(SMTP_PASSWORD)
        environment = {
            "TENANTRY_LOG_LEVEL": "debug",
            "TENANTRY_SMTP_URL": f"smtp://tenantry@127.0.0.1:{box.port}",
            "TENANTRY_SMTP_PASSWORD_FILE": str(tmp_path / "smtp-password"),
            "TENANTRY_SMTP_CA_FILE": str(box.ca),
            "TENANTRY_SMTP_FROM": "tenantry@example.com",
            "TENANTRY_OUTBOUND_ALLOW": "127.0.0.1",
            "TENANTRY_CLUSTERS": json.dumps([CLUSTER.cluster("east")]),
            "PYTHONASYNCIODEBUG": "1",
        }
        server = await stack.enter_async_context(server_process(tmp_path, environment))
        browser = await stack.enter_async_context(browsing(server))
        session = await stack.enter_async_context(server.session())
        yield Run(server, Client(session), browser, box, provider, receiver)


@pytest.mark.slow  # starts a program anew
async def test_nothing_secret_of_a_whole_life_is_kept_or_told(run: Run) -> None:
    secrets = run.secrets
    secrets.add("password", PASSWORD, NEW, WRONG)
    secrets.add("smtp", SMTP_PASSWORD)
    secrets.add("provider", PROVIDER_SECRET)
    secrets.note(run.server.token)
    await run.set_up()
    await run.sign_in()
    await run.work()
    await run.grant()
    await run.forget()
    key = (run.server.data_dir / "encryption-key").read_text().split()
    secrets.add("encryption key", *key)
    assert secrets.found.keys() == {*Prefix, *OTHERS}

    told = {"audit": "\n".join(map(str, await run.admin.items("/v1/audit")))}
    exported = await beside(run.server)("audit", "export")
    assert exported.exit_code == 0, exported.output
    told["audit export"] = exported.stdout
    async with aiohttp.ClientSession() as session, session.get(f"{run.server.ops_url}/metrics") as answer:
        told["metrics"] = await answer.text()
    run.server.process.terminate()
    assert await run.server.process.wait() == 0
    kept = {
        path.name: path.read_bytes() for path in run.server.data_dir.iterdir() if path.name.startswith("tenantry.db")
    }
    kept |= {name: text.encode() for name, text in told.items()} | {"log": run.server.log.read_bytes()}
    assert b"password.reset" in kept["tenantry.db"]
    assert b'"level":"debug"' in kept["log"]
    hashes = {hash_secret(secret) for kind in secrets.found for secret in secrets.found[kind]}
    assert [each for each in ("$argon2", *hashes) if each.encode() in kept["log"]] == []
    assert b"webhook.ping" in kept["audit export"]
    assert b"tenantry_webhook_attempts_total" in kept["metrics"]
    shown = {
        (kind, name)
        for kind, needle in secrets.needles()
        for name, content in kept.items()
        if needle.encode() in content and (kind, name) != ("user code", "tenantry.db")
    }
    assert shown == set()


def test_nothing_random_is_made_elsewhere() -> None:
    """Else a new kind of secret would not be looked for above."""
    sources = ROOT / "backend" / "tenantry"
    found = set()
    for path in sorted(sources.rglob("*.py")):
        imported = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
            if isinstance(node, ast.Import) or node.module in {"os", "secrets"}
        }
        if imported & {"secrets", "urandom", "token_bytes", "token_hex", "token_urlsafe"}:
            found.add(str(path.relative_to(sources).with_suffix("")))
    assert found == RANDOM.keys()


def test_a_secret_is_found_in_every_form() -> None:
    secret = "s3cret: of/the client"
    for text in (f"x{secret}y", quote(secret), b64encode(f"id:{secret}".encode()).decode(), secret.encode().hex()):
        assert any(form in text for form in forms_of(secret)), text
    for before in range(4):
        encoded = urlsafe_b64encode(("a" * before + secret + "zzz").encode()).decode()
        assert any(form in encoded for form in forms_of(secret)), before

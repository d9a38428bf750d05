"""Every caller on every route, in their own tenant, in another one and in a suspended one.

What is expected is computed from `model/permissions.py` alone. A route with a place in its path, or with a body, that
is not told here how to fill it, fails the test.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tenantry.model import ids
from tenantry.model.identity import ServiceAccount
from tenantry.model.permissions import OF_TENANTS, READS, ROLES, SCOPES, Permission, Role, permissions_of
from tenantry.storage import resources, service_accounts
from tenantry.web import csrf
from tenantry.web.app import ROUTES
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.routes import PLACE, Cookie, Route
from tenantry.web.v1.conventions import is_body_required
from tests.support.application import Application
from tests.support.people import add_member, add_session, add_user, seen
from tests.support.server import ServerInProcess, running_server

OWN, OTHER, BLOCKED, READ_ONLY = "acme", "beta", "blocked", "readonly"
MODES = {OWN: "", BLOCKED: "Blocked", READ_ONLY: "ReadOnly"}
NUMBERS = itertools.count()
#: what a person has who is signed in, in whatever state their tenant is
SIGNED_IN = {Permission.AUTHENTICATED, Permission.SIGNED_IN, Permission.SELF}
NOTHING = "nothing"
SECRET = "Known to nobody else"  # the display name of the other tenant

#: what takes the places of a path; that of a tenant is the tenant that is asked for
PLACES = {
    "tenant": "{tenant}",
    "delivery": NOTHING,
    "name": NOTHING,
    "namespace": "tenantry-system",
    "revision": "1",
    "cluster": "east",
    "user": NOTHING,
    "session": NOTHING,
    "id": NOTHING,
    "token": NOTHING,
    "provider": NOTHING,
    "client": NOTHING,
    "secret": NOTHING,
}
#: what is sent, where something must be
BODIES: dict[tuple[str, str], Callable[[], Any]] = {
    ("POST", "/v1/tenants"): lambda: {"name": f"new-{next(NUMBERS)}", "displayName": "New"},
    ("POST", "/v1/webhooks"): lambda: {"url": "https://receiver.example.com"},
    ("POST", "/v1/tenants/{tenant}/webhooks"): lambda: {"url": "https://receiver.example.com"},
    ("POST", "/v1/me/tenant"): lambda: {"tenant": NOTHING},
    ("POST", "/v1/me/keys"): lambda: {"name": "k", "scopes": ["resources:read"]},
    ("POST", "/v1/keys"): lambda: {"name": "k", "scopes": ["resources:read"]},
    ("POST", "/v1/tenants/{tenant}/keys"): lambda: {"name": "k", "scopes": ["resources:read"]},
    ("PATCH", "/v1/tenants/{tenant}/members/{user}"): lambda: {"role": "viewer"},
    ("POST", "/v1/me/password"): lambda: {"current": "wrong", "password": "four unrelated old words"},
    ("POST", "/v1/me/mfa:enrol"): lambda: {"password": "wrong"},
    ("POST", "/v1/me/mfa:confirm"): lambda: {"code": "000000"},
    ("POST", "/v1/me/mfa:disable"): lambda: {"password": "wrong"},
    ("POST", "/v1/me/identities"): lambda: {"provider": NOTHING},
    ("POST", "/v1/identity-providers"): lambda: {
        "name": f"p-{next(NUMBERS)}",
        "displayName": "P",
        "issuer": "https://p.example.com",
        "clientID": "c",
    },
    ("POST", "/v1/clients"): lambda: {"name": "c", "grantTypes": ["client_credentials"]},
    ("POST", "/v1/tenants/{tenant}/clients"): lambda: {"name": "c", "grantTypes": ["client_credentials"]},
    ("POST", "/v1/service-accounts"): lambda: {"name": "ci", "role": "viewer"},
    ("POST", "/v1/service-accounts/{id}/keys"): lambda: {"name": "k", "scopes": ["resources:read"]},
    ("POST", "/v1/tenants/{tenant}/service-accounts"): lambda: {"name": "ci", "role": "viewer"},
    ("POST", "/v1/tenants/{tenant}/service-accounts/{id}/keys"): lambda: {"name": "k", "scopes": ["resources:read"]},
    ("POST", "/v1/tenants/{tenant}/invites"): lambda: {"email": "a@example.com", "role": "viewer"},
}
#: what must follow a path
QUERIES = {"/diff": "?from=1"}
#: routes that would change what the test stands on: they are asked for a tenant that is not there
HARMFUL = {("DELETE", "/v1/me/tenants/{tenant}")}
#: a permission that the body asks for, beside that of the route
ALSO = {("POST", "/v1/me/keys"): Permission.RESOURCES_READ}
#: routes that refuse some who have the permission: for another cluster's operator, for a token with a scope of OpenID
STRICTER = ("/v1/clusters/", "/oauth/userinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody, what they may do by the table, and the tenant that they act in."""

    name: str
    rights: frozenset[Permission]
    headers: dict[str, str]
    tenant: str = ""
    cookie: str = ""

    @property
    def mode(self) -> str:
        """That of their tenant's suspension."""
        return MODES.get(self.tenant, "")

    def knows(self, tenant: str) -> bool:
        """Whether they may know that there is that tenant."""
        return tenant == self.tenant if self.tenant else Permission.RESOURCES_READ in self.rights


def within(tenant: str, rights: frozenset[Permission]) -> frozenset[Permission]:
    """What a tenant's state leaves of `rights`."""
    mode, most = MODES[tenant], OF_TENANTS | {Permission.SELF}
    if mode:
        most &= READS | {Permission.SELF} if mode == "ReadOnly" else {Permission.SELF}
    return rights & most | (SIGNED_IN if Permission.SELF in rights else set())


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerInProcess]:
    """A server with the tenants."""
    async with running_server(tmp_path, sign_up="Open") as running, running.session() as session:
        await Application(session, running).plan()
        for name in (OWN, OTHER, BLOCKED, READ_ONLY):
            await Application(session, running).tenant(name, SECRET if name == OTHER else "One")
        yield running


async def callers(server: ServerInProcess, stack: AsyncExitStack) -> list[Caller]:
    v1 = Application(await stack.enter_async_context(server.session()), server)
    tenants = {item["metadata"]["name"]: item["status"]["tenantID"] for item in await v1.items("/v1/tenants")}

    async def person(name: str, rights: frozenset[Permission], tenant: str = "", **columns: Any) -> Caller:
        user = await add_user(server, f"{name}@example.com", **columns)
        if tenant:
            await add_member(server, tenants[tenant], user, Role(name.partition("-")[0]))
        cookie = await add_session(server, user, tenants.get(tenant, ""))
        headers = {
            "Cookie": f"{SESSION_COOKIE}={cookie}",
            "Sec-Fetch-Site": "same-origin",
            csrf.HEADER: csrf.token_of(cookie),
        }
        return Caller(name=name, rights=rights, headers=headers, tenant=tenant, cookie=cookie)

    async def key(name: str, *scopes: str, tenant: str = "") -> Caller:
        columns = {"tenant_id": tenants[tenant]} if tenant else {}
        api = await stack.enter_async_context(v1.as_key(*scopes, **columns))
        rights = permissions_of(scopes)
        headers = {"Authorization": api.session.headers["Authorization"]}
        return Caller(name=name, rights=within(tenant, rights) if tenant else rights, headers=headers, tenant=tenant)

    async def service_account(role: Role, tenant: str) -> Caller:
        now = ids.now_micros()
        account = ServiceAccount(id=ids.uuid7(), tenant_id=tenants[tenant], name="program", role=role, updated_at=now)
        await server.services.db.run(service_accounts.insert, account, write=True)
        scopes, owner = ("platform:admin",), f"service-account:{account.id}"
        api = await stack.enter_async_context(v1.as_key(*scopes, tenant_id=tenants[tenant], owner=owner))
        rights = ROLES[role] & permissions_of(scopes) | {Permission.AUTHENTICATED}
        headers = {"Authorization": api.session.headers["Authorization"]}
        return Caller(name=f"program-{tenant}", rights=within(tenant, rights), headers=headers, tenant=tenant)

    found = [
        await person("stranger", frozenset(SIGNED_IN)),
        await person("platform-admin", SCOPES["platform:admin"] | SIGNED_IN, platform_admin=True),
        await key("platform-key", "platform:admin"),
        await key("platform-reader", "platform:read"),
    ]
    for tenant in MODES:
        found += [await person(f"{role}-{tenant}", within(tenant, ROLES[role] | SIGNED_IN), tenant) for role in Role]
        found += [
            await key(f"key-{tenant}", "platform:admin", tenant=tenant),
            await key(f"reading-key-{tenant}", "resources:read", tenant=tenant),
            await service_account(Role.DEVELOPER, tenant),
        ]
    for name in (BLOCKED, READ_ONLY):
        suspension = {"mode": MODES[name], "reason": "unpaid"}
        await v1.patch(f"tenants/{name}", {"spec": {"state": "Suspended", "suspension": suspension}})
    await seen(server)
    return found


def names_a_tenant(route: Route) -> bool:
    own = ("/v1/tenants/{name}", "/apis/tenantry.dev/v1alpha1/tenants/{name}")
    return "{tenant}" in route.path or route.path.startswith(own)


def targets(route: Route, caller: Caller) -> tuple[str, ...]:
    """The tenants that the route is tried on."""
    if (route.method, route.path) in HARMFUL:
        return (NOTHING,)
    return (caller.tenant or OWN, OTHER) if names_a_tenant(route) else (caller.tenant,)


def path_of(route: Route, tenant: str) -> str:
    def fill(place: str) -> str:
        assert place in PLACES, f"{route.method} {route.path}: tell PLACES what {{{place}}} can be"
        return tenant if place == "tenant" or (place == "name" and names_a_tenant(route)) else PLACES[place]

    path = PLACE.sub(lambda match: fill(match[1]), route.path)
    path += next((query for end, query in QUERIES.items() if path.endswith(end)), "")
    return f"{path}?dryRun=All" if path.startswith("/apis/") and route.method != "GET" else path


def sent(route: Route, caller: Caller) -> dict[str, Any]:
    """What the request carries."""
    if route.session is Cookie.FORM and route.method == "POST":
        return {"data": {"csrf": csrf.token_of(caller.cookie)}}
    key = route.method, route.path
    needed = route.operation is not None and route.operation.body is not None
    if key in BODIES:
        return {"json": BODIES[key]()}
    if needed and route.operation and route.operation.body:
        assert not is_body_required(route.operation.body), f"{route.method} {route.path}: tell BODIES what can be sent"
        return {"json": {}}
    return {}


def expected(route: Route, caller: Caller, tenant: str) -> str:
    """`good`, or the status and, where there is one, the code of the refusal."""
    if route.session is Cookie.IGNORED and caller.cookie:
        return "401"
    hidden = names_a_tenant(route) and not caller.knows(tenant)
    if {route.needs, ALSO.get((route.method, route.path), route.needs)} <= caller.rights:
        return "404 not_found" if hidden else "good"
    if caller.mode:
        return "403 tenant_suspended"
    if hidden and route.path.startswith("/v1/"):
        return "404 not_found"
    return "403 forbidden"


def is_as(answer: aiohttp.ClientResponse, text: str, wanted: str) -> bool:
    if wanted == "good":
        return answer.status < 500 and answer.status not in {401, 403}
    status, _, code = wanted.partition(" ")
    is_problem = answer.content_type == "application/problem+json"
    return answer.status == int(status) and (not is_problem or not code or f'"code":"{code}"' in text.replace(" ", ""))


async def try_all(server: ServerInProcess, caller: Caller, other_id: str) -> list[str]:
    """What is not as it should be."""
    wrong = []
    async with aiohttp.ClientSession(
        server.base_url, headers=caller.headers, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        for route in ROUTES:
            if route.needs is Permission.PUBLIC:
                continue
            for tenant in targets(route, caller):
                wanted, path = expected(route, caller, tenant), path_of(route, tenant)
                if wanted == "good" and route.path.startswith(STRICTER):
                    continue
                async with session.request(route.method, path, allow_redirects=False, **sent(route, caller)) as answer:
                    text = await answer.text()
                told = f"{caller.name}: {route.method} {path}: {answer.status} and not {wanted}: {text[:200]}"
                if not is_as(answer, text, wanted):
                    wrong.append(told)
                elif caller.tenant and (SECRET in text or other_id in text):
                    wrong.append(f"{told}: tells of the other tenant")
    return wrong


async def test_every_caller_may_what_the_table_says_and_nothing_else(server: ServerInProcess) -> None:
    async with AsyncExitStack() as stack:
        found = await callers(server, stack)
        other = await server.services.db.run(resources.get, "Tenant", "", OTHER)
        assert other
        wrong = await asyncio.gather(*(try_all(server, caller, other.tenant_id) for caller in found))
    lines = [line for lines in wrong for line in lines]
    assert not lines, "\n".join(lines)


async def test_who_has_no_credential_gets_in_nowhere(server: ServerInProcess) -> None:
    nobody = Caller(name="nobody", rights=frozenset(), headers={})
    async with aiohttp.ClientSession(server.base_url) as session:
        for route in ROUTES:
            path = path_of(route, OWN)
            async with session.request(route.method, path, allow_redirects=False, **sent(route, nobody)) as answer:
                if route.needs is Permission.PUBLIC:
                    assert answer.status not in {401, *range(500, 600)}, path
                elif route.session is Cookie.FORM:
                    assert (answer.status, answer.headers["Location"].partition("?")[0]) == (303, "/login"), path
                else:
                    assert answer.status == 401, path

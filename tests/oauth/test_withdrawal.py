"""What a person has let a client have goes with their place, their account or their word, and does not come back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import cast

import pytest

from tenantry.model import ids
from tenantry.model.identity import Actor, Membership, Session, User
from tenantry.model.oauth import CLI, GrantType, OAuthClient
from tenantry.model.permissions import Role
from tenantry.services.encryption import Encryption
from tenantry.services.oauth.grants import OAuthStore
from tenantry.services.withdrawal import withdraw
from tenantry.storage import families, memberships, sessions, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.support.application import Application
from tests.support.oauth import CALLBACK, add_client
from tests.support.oauth_http import CHALLENGE, Sent, Wire
from tests.support.people import add_member, add_session, add_user, browser, seen

SCOPE = "openid offline_access resources:read"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of acme and of other at a browser, and a client that they have let in."""

    api: Application
    user: User
    tenants: dict[str, str]  # name -> identity
    wire: Wire

    async def join(self, name: str) -> None:
        """Become a member of the tenant of that name."""
        await add_member(self.api.server, self.tenants[name], self.user, Role.VIEWER)

    @property
    def device(self) -> Wire:
        """The command line on a device, and the same browser."""
        return Wire(self.wire.http, CLI.id, "", self.wire.cookie)


@pytest.fixture(params=["a client of the platform", "a client of the tenant"])
async def member(v1: Application, request: pytest.FixtureRequest) -> AsyncIterator[Member]:
    """The client acts in acme: the person does so too, or the client is acme's and the person acts in other."""
    tenants = {name: (await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "other")}
    user = await add_user(v1.server)
    is_acmes = request.param == "a client of the tenant"
    client, secret = await add_client(v1.server, first_party=True, tenant_id=tenants["acme"] if is_acmes else "")
    cookie = await add_session(v1.server, user, tenants["other" if is_acmes else "acme"])
    async with v1.server.session(anonymous=True) as http:
        found = Member(v1, user, tenants, Wire(http, client.id, secret, cookie))
        for name in tenants:
            await found.join(name)
        yield found


Redeem = Callable[[], Awaitable[Sent]]


async def by_code(member: Member) -> Redeem:
    code = await member.wire.code(scope=SCOPE)
    return lambda: member.wire.redeem(code)


async def by_refresh(member: Member) -> Redeem:
    token = (await member.wire.redeem(await member.wire.code(scope=SCOPE))).body["refresh_token"]
    return lambda: member.wire.refresh(token)


async def by_device(member: Member) -> Redeem:
    device = member.device
    waiting = (await device.post("/oauth/device_authorization", scope="openid resources:read")).body
    form = {"csrf": (await device.browse("/device")).field("csrf"), "user_code": waiting["user_code"]}
    assert (await device.browse("/device", {**form, "decision": "allow"})).status == 200
    poll = {"grant_type": GrantType.DEVICE_CODE, "device_code": waiting["device_code"]}
    return lambda: device.post("/oauth/token", **poll)


async def is_removed(member: Member) -> None:
    async with browser(member.api.server, member.wire.cookie) as person:
        assert (await person.call("POST", "/v1/me/tenant", {"tenant": "other"})).status == 200
    for name in member.tenants:
        done = await member.api.call("DELETE", f"/v1/tenants/{name}/members/{member.user.id}")
        assert done.status == 200, done.body


async def leaves(member: Member) -> None:
    async with browser(member.api.server, member.wire.cookie) as person:
        for name in member.tenants:
            done = await person.call("DELETE", f"/v1/me/tenants/{name}", None)
            assert done.status == 200, done.body


async def is_disabled(member: Member) -> None:
    for state in ("Disabled", "Active"):
        done = await member.api.call("PATCH", f"/v1/users/{member.user.id}", {"state": state})
        assert done.status == 200, done.body


async def takes_it_back(member: Member) -> None:
    async with browser(member.api.server, member.wire.cookie) as person:
        for client_id in (member.wire.client_id, CLI.id):
            await person.call("DELETE", f"/v1/me/grants/{client_id}", None)


@pytest.mark.parametrize("goes", [is_removed, leaves, is_disabled, takes_it_back])
@pytest.mark.parametrize("way", [by_code, by_refresh, by_device])
async def test_what_was_granted_is_never_redeemed_after(
    member: Member, way: Callable[[Member], Awaitable[Redeem]], goes: Callable[[Member], Awaitable[None]]
) -> None:
    redeem = await way(member)
    await goes(member)
    await seen(member.api.server)
    held = [place.tenant_id for place in await member.api.server.services.db.run(memberships.of_user, member.user.id)]
    for name in [name for name, tenant_id in member.tenants.items() if tenant_id not in held]:
        await member.join(name)  # to be a member again brings nothing back
    sent = await redeem()
    assert (sent.status, sent.body["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("way", [by_code, by_refresh, by_device])
async def test_who_stays_redeems_it(member: Member, way: Callable[[Member], Awaitable[Redeem]]) -> None:
    redeem = await way(member)
    async with browser(member.api.server, member.wire.cookie) as person:
        assert (await person.call("POST", "/v1/me/tenant", {"tenant": "other"})).status == 200
    assert (await redeem()).status == 200


async def test_a_code_that_is_made_while_they_go_is_refused(v1: Application) -> None:
    """A replica may not have heard yet that the session is in that tenant no more."""
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    user = await add_user(v1.server)
    client, secret = await add_client(v1.server, first_party=True)
    cookie = await add_session(v1.server, user)
    services = v1.server.services
    session = await services.standing.session(cookie.split("_")[1])
    assert session
    stale = replace(session, tenant_id=tenant)
    asked = {"redirect_uri": CALLBACK, "challenge": CHALLENGE, "nonce": ""}
    async with v1.server.session(anonymous=True) as http:
        wire = Wire(http, client.id, secret)
        for is_member in (False, True):
            code = await services.oauth.transact(
                Actor(name="test"), lambda store: store.add_code(stale, client, ("openid",), **asked)
            )
            assert (await wire.redeem(code)).status == (200 if is_member else 400)
            await add_member(v1.server, tenant, user, Role.VIEWER)


async def test_who_goes_at_the_moment_of_redemption_leaves_nothing(database: Database) -> None:
    client = OAuthClient(id="c", name="c")
    for _ in range(10):
        user, tenant, now = ids.uuid7(), ids.uuid7(), ids.now_micros()
        session = Session(
            id=ids.uuid7(),
            secret_sha="a" * 64,
            user_id=user,
            auth_version=1,
            amr=("pwd",),
            auth_time=now,
            tenant_id=tenant,
        )

        def set_up(unit: Unit, user: str = user, tenant: str = tenant, session: Session = session) -> list[str]:
            users.insert(unit, User(id=user, email=f"{user}@example.com"))
            place = Membership(tenant_id=tenant, user_id=user, role=Role.VIEWER)
            assert memberships.insert(unit, place)
            sessions.insert(unit, session)
            asked = {"redirect_uri": CALLBACK, "challenge": CHALLENGE, "nonce": ""}
            return [store_in(unit).add_code(session, client, ("openid",), **asked) for _ in range(4)]

        def redeem(unit: Unit, token: str) -> None:
            store = store_in(unit)
            code = store.find_code(token, client.id)
            if code:
                store.redeem_code(code, client)

        def go(unit: Unit, user: str = user, tenant: str = tenant, session: Session = session, now: int = now) -> None:
            memberships.delete(unit, tenant, user)
            withdraw(unit, tenant, user, now, keep=session.id)

        tokens = await database.run(set_up, write=True)
        first, last = [database.run(redeem, token, write=True) for token in tokens[:2]], tokens[2:]
        await asyncio.gather(*first, database.run(go, write=True), *(database.run(redeem, t, write=True) for t in last))
        assert await database.run(families.of_user, user) == []


def store_in(unit: Unit) -> OAuthStore:
    """What the authorization server keeps, without what seals refresh tokens."""
    return OAuthStore(unit, Actor(name="test"), cast(Encryption, None))

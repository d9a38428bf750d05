"""What lets somebody act as a person beside their password: what a new password and a recovery do with it."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tenantry.model import ids, totp
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import User
from tenantry.model.links import Purpose
from tenantry.model.oauth import Consent, TokenFamily
from tenantry.model.permissions import Permission, Role
from tenantry.model.providers import Identity, identity_id
from tenantry.services.machines.keys import owner_of
from tenantry.services.machines.local_admin import ACTOR
from tenantry.services.people import links
from tenantry.services.throttle import Limit
from tenantry.services.withdrawal import Held
from tenantry.storage import consents, families, identities, users
from tenantry.storage import sessions as session_rows
from tenantry.storage.unit import Unit
from tenantry.web import csrf
from tenantry.web.authentication import SESSION_COOKIE
from tests.support.application import Application
from tests.support.browsing import Browser, browsing, log_in
from tests.support.mailbox import Mailbox, mailbox, until
from tests.support.people import PASSWORD, add_account, add_member, add_session, add_user, browser, seen
from tests.support.server import running_server

HOUR = 3600 * 1_000_000
EMAIL, NEW, ISSUER = "ada@example.com", "five words that are new", "https://idp.example"


@pytest.fixture
async def mailing(tmp_path: Path) -> AsyncIterator[tuple[Application, Mailbox]]:
    """A server that sends mail, and what gets it."""
    with mailbox(tmp_path) as box:
        async with running_server(tmp_path, **box.settings) as server, server.session() as session:
            yield Application(session, server), box


async def intruded(v1: Application) -> tuple[User, list[str]]:
    """A user of whose session an intruder has made all that they can: an identity, grants, and keys, whose tokens."""
    user = await add_account(v1.server)
    acme = (await v1.tenant("acme"))["status"]["tenantID"]
    await add_member(v1.server, acme, user, Role.OWNER)
    tokens = []
    async with browser(v1.server, await add_session(v1.server, user, acme)) as api:
        for name in ("backup", "monitor"):
            made = await api.post("/v1/me/keys", {"name": name, "scopes": ["resources:read"]})
            assert made.status == 201, made.body
            tokens.append(made.body["token"])
    now, identity = ids.now_micros(), identity_id(ISSUER, "mallory")

    def add(unit: Unit) -> None:
        there = Identity(id=identity, issuer=ISSUER, subject="mallory", user_id=user.id, created_at=now)
        assert identities.insert(unit, there)
        consent = Consent(user_id=user.id, client_id="c1", tenant_id="", scopes=("openid",), created_at=now)
        consents.put(unit, consent)
        families.insert(unit, family(user))

    await v1.server.services.db.run(add, write=True)
    return user, tokens


def family(user: User) -> TokenFamily:
    now = ids.now_micros()
    return TokenFamily(
        id=ids.uuid7(),
        client_id="c1",
        user_id=user.id,
        scopes=("openid",),
        session_id="",
        tenant_id="",
        amr=("pwd",),
        auth_time=now,
        auth_version=user.auth_version,
        created_at=now,
        expires_at=now + 10**12,
    )


async def work(v1: Application, tokens: list[str]) -> list[bool]:
    """Whether each of the keys is good."""
    await seen(v1.server)
    return [(await v1.get("/v1/me", Authorization=f"Bearer {token}")).status == 200 for token in tokens]


async def mailed(box: Mailbox, words: str) -> str:
    """The mail that has these words."""
    found: list[str] = []

    def look() -> list[str]:
        found[:] = [text for mail in box.mails if words in (text := str(mail.get_content()))]
        return found

    await until(look)
    return found[0]


async def reset(person: Browser, path: str) -> str:
    """Set a new password by the link; where that leads."""
    done = await person.submit(await person.get(path), password=NEW, repeated=NEW)
    assert done.status == 303, done.text
    return done.location


@pytest.mark.slow
async def test_after_a_reset_the_person_is_shown_what_it_leaves_and_takes_it_away(
    mailing: tuple[Application, Mailbox],
) -> None:
    v1, box = mailing
    user, tokens = await intruded(v1)
    assert await work(v1, tokens) == [True, True]
    assert 'An API key of your own was made: "backup".' in await mailed(box, "backup")
    async with browsing(v1.server) as ada, browsing(v1.server) as mallory:
        await log_in(mallory, EMAIL, PASSWORD)
        await ada.submit(await ada.get("/password/forgot"), email=EMAIL)
        path = re.findall(r"(/password/reset/\S+)", await mailed(box, "set a new password"))[0]
        assert await reset(ada, path) == "/login?notice=password-set"
        assert (await mallory.get("/v1/me")).status == 401
        page = await ada.follow(await log_in(ada, EMAIL, NEW))
        for told in ("mallory", "backup", "monitor", "For acme", "last used on"):
            assert told in page.text
        assert await work(v1, tokens) == [True, True]  # nobody knows yet whose they are
        before = ada.cookies[SESSION_COOKIE]
        done = await ada.submit(page)
        assert "It is all removed" in (await ada.follow(done)).text
        assert ada.cookies[SESSION_COOKIE] != before
        assert "Nothing but your password" in (await ada.get("/account/access")).text
    assert await work(v1, tokens) == [False, False]
    assert not await v1.server.services.db.run(identities.of_user, user.id)
    rows = [row["action"] for row in await v1.items(f"/v1/audit?actor=user:{user.id}")]
    assert (rows.count("key.revoke"), rows.count("identity.unlink")) == (2, 1)
    await mailed(box, "Your identities elsewhere and your own API keys were removed")
    async with browsing(v1.server) as ada:
        assert (await log_in(ada, EMAIL, NEW)).location == "/account"


@pytest.mark.slow
async def test_each_sign_in_leads_by_the_review_until_the_password_has_answered(
    mailing: tuple[Application, Mailbox],
) -> None:
    v1, box = mailing
    user, tokens = await intruded(v1)
    async with browsing(v1.server) as ada:
        await ada.submit(await ada.get("/password/forgot"), email=EMAIL)
        await reset(ada, re.findall(r"(/password/reset/\S+)", await mailed(box, "set a new password"))[0])
    async with browsing(v1.server) as elsewhere:  # where nobody knows of the reset, and the page is just closed
        assert (await log_in(elsewhere, EMAIL, NEW)).location == "/account/access"
    changed = await v1.server.services.db.run(users.get, user.id)
    assert changed is not None
    async with browsing(v1.server) as mallory:  # by the identity that is in doubt
        mallory.cookies[SESSION_COOKIE] = await add_session(v1.server, changed, amr=("fed", "pwd"))
        page = await mallory.get("/account/access")
        assert "Only who signs in with the password" in page.text
        assert (await mallory.post("/account/access/keep", page.forms[0][1])).status == 403
    async with browsing(v1.server) as ada:
        asked = await log_in(ada, EMAIL, NEW, "/login?return_to=%2Faccount%2Fgrants")
        assert asked.location == "/account/access?return_to=%2Faccount%2Fgrants"
        page = await ada.follow(asked)
        kept = await ada.post("/account/access/keep", page.forms[0][1])
        assert kept.location == "/account/grants"
        assert (await log_in(ada, EMAIL, NEW)).location == "/account"
    assert await work(v1, tokens) == [True, True]
    rows = [row["action"] for row in await v1.items(f"/v1/audit?actor=user:{user.id}")]
    assert rows.count("access.keep") == 1


@pytest.mark.slow
async def test_taking_it_away_without_the_password_does_not_answer(mailing: tuple[Application, Mailbox]) -> None:
    v1, box = mailing
    user, _ = await intruded(v1)
    async with browsing(v1.server) as ada, browsing(v1.server) as mallory:
        await ada.submit(await ada.get("/password/forgot"), email=EMAIL)
        await reset(ada, re.findall(r"(/password/reset/\S+)", await mailed(box, "set a new password"))[0])
        changed = await v1.server.services.db.run(users.get, user.id)
        assert changed is not None
        mallory.cookies[SESSION_COOKIE] = await add_session(v1.server, changed, amr=("fed",))
        assert (await mallory.submit(await mallory.get("/account/access"))).status == 303
        assert (await log_in(ada, EMAIL, NEW)).location == "/account/access"


@pytest.mark.slow
async def test_a_recovery_leaves_nothing_of_an_intruder(mailing: tuple[Application, Mailbox]) -> None:
    v1, _ = mailing
    user, tokens = await intruded(v1)
    services = v1.server.services
    assert await work(v1, tokens) == [True, True]
    async with browsing(v1.server) as ada, browsing(v1.server) as mallory:
        await log_in(mallory, EMAIL, PASSWORD)
        link = await services.accounts.recovery_link(ACTOR, EMAIL)
        assert await reset(ada, f"/password/reset/{link}") == "/login?notice=password-set"
        assert await work(v1, tokens) == [False, False]
        assert (await mallory.get("/v1/me")).status == 401
    for found in (identities.of_user, consents.of_user, families.of_user):
        assert not await services.db.run(found, user.id)
    assert await services.access.held(user.id) == Held([], [])


async def standing(v1: Application, user: User) -> tuple[Any, ...]:
    """How the user signs in, and what acts for them."""
    services = v1.server.services
    sessions = await services.db.run(session_rows.of_user, user.id)
    return (
        await services.users.get(user.id), await services.access.held(user.id), await services.factors.state(user.id),
        sessions,
    )  # fmt: skip


@pytest.mark.parametrize("end", ["reset", "sign-out"])
@pytest.mark.parametrize("deed", ["drop", "unlink", "key", "factor"])
async def test_a_session_that_has_ended_leads_to_no_other(v1: Application, end: str, deed: str) -> None:
    """Another replica takes it for good for up to a second more, and the program of an intruder asks all the time."""
    user, _ = await intruded(v1)
    services = v1.server.services
    (place,) = await services.users.places(user.id)
    stolen = await services.authenticator.authenticate(await add_session(v1.server, user, place.tenant.id), "127.0.0.1")
    secret = (await services.factors.enrol(stolen, PASSWORD)).secret
    if end == "reset":
        link = await services.db.run(links.make, Purpose.PASSWORD, user.id, write=True)
        await services.accounts.reset_password(stolen, link, NEW)
    else:
        await services.sessions.end(stolen, stolen.session_id)
    before = await standing(v1, user)
    deeds: dict[str, Callable[[], Awaitable[object]]] = {
        "drop": lambda: services.access.drop(stolen),
        "unlink": lambda: services.federation.unlink(stolen, identity_id(ISSUER, "mallory")),
        "key": lambda: services.keys.create(
            stolen, "late", ["resources:read"], owner=owner_of(stolen), needs=Permission.SELF
        ),
        "factor": lambda: services.factors.confirm(stolen, totp.code_of(secret, int(time.time()) // totp.STEP_SECONDS)),
    }
    with pytest.raises(TenantryError) as refused:
        await deeds[deed]()
    assert refused.value.code is Code.UNAUTHENTICATED
    assert await standing(v1, user) == before


async def test_another_session_in_the_place_of_one_is_no_sign_in(v1: Application) -> None:
    """Else whoever has one that was left open would make it a fresh one, and go on with it for ever."""
    user = await add_account(v1.server)
    now = ids.now_micros()
    times: dict[str, Any] = {"auth_time": now - 2 * HOUR, "created_at": now - 11 * HOUR}
    old = await add_session(v1.server, user, **times)
    async with browsing(v1.server) as mallory:
        mallory.cookies[SESSION_COOKIE] = old
        done = await mallory.post("/account/access", {"csrf": csrf.token_of(old)})
        assert done.location == "/account?notice=access"
        assert mallory.cookies[SESSION_COOKIE] != old
        await seen(v1.server)
        assert (await mallory.get("/device")).location.startswith("/login")
    (session,) = await v1.server.services.db.run(session_rows.of_user, user.id)
    assert {name: getattr(session, name) for name in times} == times


async def test_a_session_that_was_ended_meanwhile_is_not_renewed(v1: Application) -> None:
    user = await add_account(v1.server)
    services = v1.server.services
    stolen = await services.authenticator.authenticate(await add_session(v1.server, user), "127.0.0.1")
    await services.sessions.end(stolen, stolen.session_id)
    with pytest.raises(TenantryError) as refused:
        await services.sessions.renew(stolen, user)
    assert refused.value.code is Code.UNAUTHENTICATED


async def test_who_changes_much_is_not_told_without_end(
    mailing: tuple[Application, Mailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many mails wait at most, those of other people among them."""
    v1, box = mailing
    monkeypatch.setattr("tenantry.services.people.accounts.NEWS", Limit("news", 1, 3600))
    await intruded(v1)  # who makes two keys
    await v1.server.services.mail.close()
    assert len(box.mails) == 1


async def test_who_has_nothing_else_goes_to_their_account(mailing: tuple[Application, Mailbox]) -> None:
    v1, box = mailing
    await add_account(v1.server)
    async with browsing(v1.server) as ada:
        await ada.submit(await ada.get("/password/forgot"), email=EMAIL)
        path = re.findall(r"(/password/reset/\S+)", await mailed(box, "set a new password"))[0]
        assert await reset(ada, path) == "/login?notice=password-set"


async def test_who_has_no_password_keeps_their_way_in(mailing: tuple[Application, Mailbox]) -> None:
    v1, _ = mailing
    user = await add_user(v1.server, "eve@example.com")
    identity = Identity(id=identity_id(ISSUER, "eve"), issuer=ISSUER, subject="eve", user_id=user.id, created_at=1)
    await v1.server.services.db.run(identities.insert, identity, write=True)
    async with browsing(v1.server) as eve:
        eve.cookies[SESSION_COOKIE] = await add_session(v1.server, user)
        assert (await eve.submit(await eve.get("/account/access"))).status == 409
    assert len(await v1.server.services.db.run(identities.of_user, user.id)) == 1

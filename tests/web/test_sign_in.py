"""Signing in and out by the pages, as a browser's forms do."""

import asyncio
import itertools
import re
from typing import Any
from urllib.parse import quote_plus

import pytest
from argon2 import PasswordHasher
from yarl import URL

from tenantry.model.audit import Filter
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.permissions import Permission
from tenantry.services.machines.local_admin import ACTOR
from tenantry.services.people import sign_in as module
from tenantry.services.rate_limits import FORMS
from tenantry.services.throttle import PASSWORDS
from tenantry.storage import users
from tenantry.web import csrf
from tenantry.web.app import ROUTES
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.pages.sign_in import DEVICE_COOKIE
from tenantry.web.routes import PLACE, Cookie
from tests.support.browsing import Browser, browsing, log_in
from tests.support.people import PASSWORD, add_account, add_user, seen
from tests.support.server import ServerInProcess


async def whoami(server: ServerInProcess, browser: Browser) -> int:
    await seen(server)
    return (await browser.get("/v1/me")).status


async def test_the_first_administrator_comes_in_by_the_setup_link_and_again_by_password(
    server: ServerInProcess,
) -> None:
    token = await server.services.accounts.setup_link(ACTOR)
    async with browsing(server) as browser:
        page = await browser.get(f"/setup/{token}")
        made = await browser.submit(page, email=" Ada@Example.com ", name="Ada", password=PASSWORD, repeated=PASSWORD)
        assert (made.status, made.location) == (303, "/account")
        assert await whoami(server, browser) == 200
        used = await browser.get(f"/setup/{token}")
        assert used.status == 404
        assert "sign in if you have used it" in used.text
        left = await browser.submit(await browser.get("/logout"))
        assert left.location == "/login?notice=signed-out"
        assert SESSION_COOKIE not in browser.cookies
        assert await whoami(server, browser) == 401
        assert "signed out" in (await browser.follow(left)).text
        back = await log_in(browser, "ada@example.com", PASSWORD)
        assert (back.status, back.location) == (303, "/account")
        me = await browser.get("/v1/me")
        assert '"keys:write"' in me.html  # a platform administrator


async def test_the_setup_page_says_what_is_wrong_beside_the_field(server: ServerInProcess) -> None:
    token = await server.services.accounts.setup_link(ACTOR)
    async with browsing(server) as browser:
        page = await browser.get(f"/setup/{token}")
        wrong: list[tuple[dict[str, str], str]] = [
            ({"email": "ada", "password": PASSWORD, "repeated": PASSWORD}, "Must be an e-mail address"),
            ({"email": "ada@example.com", "password": "short", "repeated": "short"}, "at least 8 characters"),
            ({"email": "ada@example.com", "password": "tenantry", "repeated": "tenantry"}, "easy to guess"),
            ({"email": "ada@example.com", "password": PASSWORD, "repeated": "another"}, "not the same"),
        ]
        for fields, told in wrong:
            answer = await browser.submit(page, 0, **fields)
            assert answer.status == 422
            assert told in answer.text
            assert f'value="{fields["email"]}"' in answer.html
            assert fields["password"] not in answer.html


async def test_a_page_begins_at_the_first_field_with_a_mistake(server: ServerInProcess) -> None:
    token = await server.services.accounts.setup_link(ACTOR)
    focused = re.compile(r'<input id="(\w+)"[^>]* autofocus')
    async with browsing(server) as browser:
        page = await browser.get(f"/setup/{token}")
        assert focused.findall(page.html) == ["email"]
        for fields, first in (
            ({"email": "ada", "password": "short", "repeated": "short"}, "email"),
            ({"email": "ada@example.com", "name": "a" * 101, "password": "short", "repeated": "another"}, "name"),
            ({"email": "ada@example.com", "password": "short", "repeated": "another"}, "password"),
        ):
            assert focused.findall((await browser.submit(page, 0, **fields)).html) == [first]


@pytest.mark.slow
async def test_the_audit_log_has_the_failed_sign_ins_of_each_account(server: ServerInProcess) -> None:
    accounts = [await add_account(server, f"{name}@example.com") for name in ("ada", "bob")]
    async with browsing(server) as browser:
        for account in accounts:
            for _ in range(2):
                assert (await log_in(browser, account.email, "not the password")).status == 422
    await server.services.audit.close()
    rows = await server.services.audit.list(ACTOR, Filter(action="session.begin"), before="", limit=10)
    assert sorted(row.name for row in rows) == sorted(account.id for account in accounts)


async def test_headers_that_are_no_text_break_nothing(server: ServerInProcess) -> None:
    await add_account(server)
    form = f"csrf={csrf.token_of('form')}&email=ada%40example.com&password={quote_plus(PASSWORD)}".encode()
    url = URL(server.base_url)
    for line, headers, body, status in (
        (b"GET /login", b"Cookie: __Host-tenantry-form=\xff\r\n", b"", 200),
        (b"POST /login", b"Cookie: __Host-tenantry-form=form\r\nUser-Agent: \xff\r\n", form, 303),
    ):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(
            b"%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\n%b"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b"
            % (line, headers, len(body), body)
        )
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 %d" % status), answer


async def test_a_new_setup_link_replaces_the_old_one(server: ServerInProcess) -> None:
    old, new = [await server.services.accounts.setup_link(ACTOR) for _ in range(2)]
    async with browsing(server) as browser:
        assert (await browser.get(f"/setup/{old}")).status == 404
        assert (await browser.get(f"/setup/{new}")).status == 200


@pytest.mark.slow
async def test_a_wrong_sign_in_looks_the_same_whoever_it_is(server: ServerInProcess) -> None:
    await add_account(server)
    await add_user(server, "elsewhere@example.com")
    await add_account(server, "gone@example.com", status="Disabled")
    answers = set()
    for email, password in (
        ("ada@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("elsewhere@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("ada@example.com", "x" * 2000),
    ):
        async with browsing(server) as browser:
            answer = await log_in(browser, email, password)
            assert SESSION_COOKIE not in browser.cookies
            html = re.sub(r'name="csrf" value="\w+"', "", answer.html).replace(email, "")
            answers.add((answer.status, html))
    ((status, html),) = answers
    assert status == 422
    assert "The e-mail address or the password is wrong" in html


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("/v1/tenants?limit=5", "/v1/tenants?limit=5"),
        ("/device", "/device"),
        ("", "/account"),
        ("https://mallory.example/", "/account"),
        ("//mallory.example/", "/account"),
        ("/\\mallory.example/", "/account"),
        ("\\\\mallory.example/", "/account"),
        ("/\t/mallory.example/", "/account"),
        ("/\r\nSet-Cookie: a=b", "/account"),
        ("javascript:alert(1)", "/account"),
        (" //mallory.example", "/account"),
        ("mallory.example", "/account"),
        ("/m\u00e4llory", "/account"),
    ],
)
async def test_a_sign_in_leads_to_our_own_paths_only(server: ServerInProcess, wanted: str, got: str) -> None:
    await add_account(server)
    async with browsing(server) as browser:
        page = await browser.get("/login")
        answer = await browser.submit(page, email="ada@example.com", password=PASSWORD, return_to=wanted)
        assert (answer.status, answer.location) == (303, got)


async def test_a_stranger_comes_back_to_the_page_that_they_wanted(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as browser:
        sent = await browser.get("/account?part=sessions")
        page = await browser.follow(sent)
        answer = await browser.submit(page, email="ada@example.com", password=PASSWORD)
        assert answer.location == "/account?part=sessions"


async def test_a_form_that_comes_after_the_session_leads_back_to_a_page_and_says_so(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as browser:
        for path, back in (("/account/password", "/account/password"), ("/account/mfa/enrol", "/account")):
            page = await browser.follow(await browser.post(path, {}))
            assert "You were no longer signed in when you sent that." in page.text, path
            answer = await browser.submit(page, email="ada@example.com", password=PASSWORD)
            assert answer.location == back
            assert (await browser.follow(answer)).status == 200
            browser.cookies.clear()
        assert "no longer" not in (await browser.follow(await browser.get("/account/password"))).text


async def test_a_sign_in_changes_the_session_and_ends_the_one_before(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as browser:
        await log_in(browser, "ada@example.com", PASSWORD)
        first = browser.cookies[SESSION_COOKIE]
        await log_in(browser, "ada@example.com", PASSWORD)
        second = browser.cookies[SESSION_COOKIE]
        assert second.split("_")[1] != first.split("_")[1]
        browser.cookies[SESSION_COOKIE] = first
        assert await whoami(server, browser) == 401
        browser.cookies[SESSION_COOKIE] = second
        assert await whoami(server, browser) == 200


async def test_a_session_that_somebody_planted_is_not_taken_over(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as browser:
        browser.cookies[SESSION_COOKIE] = planted = "tns_" + "a" * 16 + "_" + "b" * 43 + "_abcdef"
        await log_in(browser, "ada@example.com", PASSWORD)
        assert browser.cookies[SESSION_COOKIE] != planted


async def test_a_login_form_of_another_site_is_refused(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as browser:
        page = await browser.get("/login")
        fields = {**page.forms[0][1], "email": "ada@example.com", "password": PASSWORD}
        for origin in ("https://mallory.example", "null"):
            refused = await browser.post("/login", fields, Origin=origin)
            assert refused.status == 403
            assert "does not come from a page of this site" in refused.text
        refused = await browser.post("/login", fields, Origin="")
        assert refused.status == 403
        assert "does not say which site it comes from: send Origin or Sec-Fetch-Site" in refused.text
        assert (await browser.post("/login", fields | {"csrf": "0" * 64})).status == 403
        assert DEVICE_COOKIE not in browser.cookies
        browser.cookies.clear()
        refused = await browser.post("/login", fields)
        assert refused.status == 403
        assert "cookie" in refused.text


@pytest.mark.slow
async def test_a_browser_that_knows_one_account_is_a_stranger_to_another_with_the_address(
    server: ServerInProcess,
) -> None:
    """An address that is not proved may be anybody's: who has such an account guesses no faster at the other."""
    theirs = "words that mallory knows"
    await add_account(server)
    await add_user(server, email_verified=False, password_hash=await server.services.passwords.hash(theirs))
    async with browsing(server) as mallory:
        answers = []
        for number in range(PASSWORDS.attempts + 2):
            assert (await log_in(mallory, "ada@example.com", theirs)).status == 303
            del mallory.cookies[SESSION_COOKIE]
            answers.append((await log_in(mallory, "ada@example.com", f"a guess, the {number}th")).status)
    assert answers == [422] * PASSWORDS.attempts + [429] * 2


async def test_an_outdated_hash_is_made_again_at_sign_in(server: ServerInProcess) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    user = await add_user(server, password_hash=old)
    async with browsing(server) as browser:
        assert (await log_in(browser, "ada@example.com", PASSWORD)).status == 303
        found = await server.services.db.run(users.get, user.id)
        assert found
        assert found.password_hash != old
        assert not server.services.passwords.is_outdated(found.password_hash)
        assert found.auth_version == user.auth_version
        assert (await log_in(browser, "ada@example.com", PASSWORD)).status == 303
        assert await whoami(server, browser) == 200


async def test_people_see_and_end_their_sessions(server: ServerInProcess) -> None:
    await add_account(server)
    await add_account(server, "bob@example.com")
    async with browsing(server) as here, browsing(server) as there, browsing(server) as stranger:
        for browser, email in ((here, "ada@example.com"), (there, "ada@example.com"), (stranger, "bob@example.com")):
            await log_in(browser, email, PASSWORD)
        page = await here.get("/account")
        ids = [fields["session"] for _, fields in page.forms]
        assert ids == [there.cookies[SESSION_COOKIE].split("_")[1]]  # for this one there is the button of all pages
        other = await stranger.get("/account/password")
        form = {**other.forms[0][1], "session": ids[0]}
        assert (await stranger.post("/account/sessions/end", form)).status == 404
        assert await whoami(server, there) == 200
        assert (await here.submit(page)).location == "/account"
        assert await whoami(server, there) == 401
        assert (await here.get("/account")).forms == []


@pytest.mark.slow
async def test_the_same_is_done_whoever_it_is(server: ServerInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_account(server)
    await add_user(server, "elsewhere@example.com")
    await add_account(server, "gone@example.com", status="Disabled")
    done: list[str] = []
    run, verify = server.services.db.run, PasswordHasher.verify

    def counted_run(fn: Any, *args: Any, **options: Any) -> Any:
        done.append(fn.__name__)
        return run(fn, *args, **options)

    def counted_verify(self: PasswordHasher, hashed: str, password: str) -> bool:
        done.append("verify")
        return verify(self, hashed, password)

    monkeypatch.setattr(server.services.db, "run", counted_run)
    monkeypatch.setattr(PasswordHasher, "verify", counted_verify)
    work = set()
    for email in ("ada@example.com", "nobody@example.com", "elsewhere@example.com", "gone@example.com"):
        done.clear()
        with pytest.raises(TenantryError, match="is wrong"):
            await server.services.sign_in.with_password(Actor(name="system:anonymous", ip=""), email, "wrong")
        work.add(" ".join(each for each in done if each in {"verify", "_look_up"}))
    assert work == {"_look_up verify"}


@pytest.mark.slow
async def test_who_comes_at_once_is_looked_up_in_turn(server: ServerInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    run, gate = server.services.db.run, asyncio.Event()
    inside, most = 0, 0

    async def watched(fn: Any, *args: Any, **options: Any) -> Any:
        nonlocal inside, most
        if getattr(fn, "__name__", "") != "_look_up":
            return await run(fn, *args, **options)
        inside, most = inside + 1, max(most, inside + 1)
        try:
            await gate.wait()
            return await run(fn, *args, **options)
        finally:
            inside -= 1

    monkeypatch.setattr(server.services.db, "run", watched)

    async def sign_in(number: int) -> Code:
        actor = Actor(name="system:anonymous", ip="")
        with pytest.raises(TenantryError) as caught:
            await server.services.sign_in.with_password(actor, f"{number}@example.com", "wrong")
        return caught.value.code

    first, *others = [asyncio.create_task(sign_in(number)) for number in range(8)]
    gate.set()
    assert await asyncio.gather(first, *others) == [Code.UNAUTHENTICATED] * 8
    assert most == 1
    gate.clear()  # the database does not answer
    patience = module._PATIENCE
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    late = [asyncio.create_task(sign_in(number)) for number in range(3)]
    async with asyncio.timeout(20):
        while inside < len(late):  # noqa: ASYNC110 - nobody waits for the first one for long
            await asyncio.sleep(0.01)
    gate.set()
    assert await asyncio.gather(*late) == [Code.UNAUTHENTICATED] * 3
    monkeypatch.setattr(module, "_PATIENCE", patience)
    most = 0
    assert await asyncio.gather(*(sign_in(number) for number in range(8))) == [Code.UNAUTHENTICATED] * 8
    assert most == 1  # and the turn was given back


@pytest.mark.slow
async def test_too_many_attempts_are_told_when_to_come_back(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as known, browsing(server) as browser:
        await log_in(known, "ada@example.com", PASSWORD)
        page = await browser.get("/login")
        fields = {"email": "ada@example.com", "password": "wrong"}
        answers = [await browser.submit(page, 0, **fields) for _ in range(PASSWORDS.attempts + 1)]
        assert [answer.status for answer in answers] == [422] * PASSWORDS.attempts + [429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= PASSWORDS.seconds
        assert "try again in" in answers[-1].text
        right = await browser.submit(page, email="ada@example.com", password=PASSWORD)
        assert right.status == 429  # else the right one would be found out
        assert (await log_in(known, "ada@example.com", PASSWORD)).status == 303


@pytest.mark.slow
@pytest.mark.usefixtures("limits_clock")
async def test_every_form_for_strangers_is_throttled_by_network(server: ServerInProcess) -> None:
    forms = [route for route in ROUTES if route.method == "POST" and route.session is Cookie.FORM]
    # what a client sends is no form of ours: it is sent on to what GET answers
    sent_on = {"/oauth/authorize", "/oauth/logout"}
    forms = [route for route in forms if route.needs is Permission.PUBLIC and route.path not in sent_on]
    assert {"/login", "/logout", "/setup/{token}"} <= {route.path for route in forms}
    async with browsing(server) as browser:
        page = await browser.get("/login")
        paths = itertools.cycle(PLACE.sub("x", route.path) for route in forms)
        csrf = page.forms[0][1]["csrf"]
        statuses = [
            (await browser.post(next(paths), {"csrf": csrf, "email": f"{number}@example.com"})).status
            for number in range(FORMS.burst + len(forms))
        ]
        assert 429 not in statuses[: FORMS.burst]
        assert statuses[FORMS.burst :] == [429] * len(forms)


async def test_a_refused_sign_in_is_in_the_audit_log(server: ServerInProcess) -> None:
    user = await add_account(server)
    async with browsing(server) as browser:
        await log_in(browser, "ada@example.com", "wrong")
    await server.services.audit.close()
    (event,) = await server.services.audit.list(ACTOR, Filter(action="session.begin"), before="", limit=10)
    assert (event.name, event.result, event.ip) == (user.id, "denied", "127.0.0.1")

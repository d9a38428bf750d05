"""How people sign in, for themselves, below `/v1/me`."""

import time
from http.cookies import SimpleCookie

import pytest

from tenantry.model import ids, totp
from tenantry.model.permissions import Role
from tenantry.services.throttle import CONFIRMATIONS
from tenantry.web.authentication import SESSION_COOKIE
from tests.support.application import Answer, Application
from tests.support.browsing import browsing, log_in
from tests.support.people import PASSWORD, add_account, add_member, add_session, browser, seen

NEW = "five words that are new"


def cookie_of(answer: Answer) -> str:
    """The session that an answer brings."""
    return SimpleCookie(answer.headers["Set-Cookie"])[SESSION_COOKIE].value


async def test_sessions_are_listed_and_ended_by_their_user(v1: Application) -> None:
    user = await add_account(v1.server)
    other = await add_account(v1.server, "bob@example.com")
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    cookies = [await add_session(v1.server, user, user_agent=agent) for _ in range(2)]
    stranger = await add_session(v1.server, other)
    async with browser(v1.server, cookies[0]) as api, browser(v1.server, stranger) as outside:
        items = (await api.get("/v1/me/sessions")).body["items"]
        assert {item["id"] for item in items} == {cookie.split("_")[1] for cookie in cookies}
        assert [item["id"] for item in items if item["current"]] == [cookies[0].split("_")[1]]
        assert {item["browser"] for item in items} == {"Firefox on Linux"}
        path = f"/v1/me/sessions/{cookies[1].split('_')[1]}"
        assert (await outside.call("DELETE", path)).status == 404
        left = await api.call("DELETE", path)
        assert [item["current"] for item in left.body["items"]] == [True]
        async with browser(v1.server, cookies[1]) as ended:
            await seen(v1.server)
            assert (await ended.get("/v1/me")).status == 401
        assert (await api.call("DELETE", "/v1/me/sessions/nothing")).status == 404


async def test_another_session_is_ended_by_who_has_signed_in_lately(v1: Application) -> None:
    user = await add_account(v1.server)
    other = await add_session(v1.server, user)
    old = await add_session(v1.server, user, auth_time=ids.now_micros() - 301 * 1_000_000)
    path = f"/v1/me/sessions/{other.split('_')[1]}"
    async with browser(v1.server, old) as api:
        assert (await api.call("DELETE", path)).code == "sign_in_again"
        assert len((await api.get("/v1/me/sessions")).body["items"]) == 2
    async with browsing(v1.server) as person:
        person.cookies[SESSION_COOKIE] = old
        page = await person.get("/account")
        refused = await person.submit(page, [action for action, _ in page.forms].index("/account/sessions/end"))
        assert refused.location == "/login?return_to=%2Faccount&fresh=1"
        assert "To go on, sign in once more" in (await person.follow(refused)).text
        assert (await log_in(person, "ada@example.com", PASSWORD, refused.location)).location == "/account"
        ended = await person.submit(await person.get("/account"))
        assert (ended.status, ended.location) == (303, "/account")
    for began, status in ((ids.now_micros() - 301 * 1_000_000, 403), (ids.now_micros(), 200)):  # nobody knows when
        other = await add_session(v1.server, user)
        unknown = await add_session(v1.server, user, auth_time=0, created_at=began)
        async with browser(v1.server, unknown) as api:
            done = await api.call("DELETE", f"/v1/me/sessions/{other.split('_')[1]}")
            assert (done.status, "Clear-Site-Data" in done.headers) == (status, False)
    last = await add_session(v1.server, user, auth_time=ids.now_micros() - 301 * 1_000_000)
    async with browser(v1.server, last) as api:  # one's own is ended at any time
        own = await api.call("DELETE", f"/v1/me/sessions/{last.split('_')[1]}")
        assert (own.status, own.headers["Clear-Site-Data"]) == (200, '"cache"')
        assert own.headers["Set-Cookie"].startswith(f'{SESSION_COOKIE}=""; expires=Thu, 01 Jan 1970')


async def test_a_new_password_keeps_this_session_alone_in_its_tenant(v1: Application) -> None:
    user = await add_account(v1.server)
    tenants = [(await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "globex")]
    for tenant in tenants:
        await add_member(v1.server, tenant, user, Role.OWNER)
    here, there = [await add_session(v1.server, user, tenants[0]) for _ in range(2)]
    async with browser(v1.server, here) as api, browser(v1.server, there) as elsewhere:
        wrong = await api.post("/v1/me/password", {"current": "wrong", "password": NEW})
        assert (wrong.status, [error["path"] for error in wrong.body["errors"]]) == (422, ["current"])
        short = await api.post("/v1/me/password", {"current": PASSWORD, "password": "short"})
        assert (short.status, [error["path"] for error in short.body["errors"]]) == (422, ["password"])
        done = await api.post("/v1/me/password", {"current": PASSWORD, "password": NEW})
        assert done.status == 200
        async with browser(v1.server, cookie_of(done)) as anew:
            assert (await anew.get("/v1/tenants/acme")).status == 200  # at once, and still in that tenant
            await seen(v1.server)
            assert (await anew.get("/v1/tenants/acme")).status == 200
            left = (await anew.get("/v1/me/sessions")).body["items"]
            assert [session["current"] for session in left] == [True]
        assert (await api.get("/v1/me")).status == 401
        assert (await elsewhere.get("/v1/me")).status == 401


async def test_a_second_factor_is_turned_on_and_off(v1: Application) -> None:
    user = await add_account(v1.server)
    cookie = await add_session(v1.server, user)
    async with browser(v1.server, cookie) as api:
        assert (await api.get("/v1/me/mfa")).body == {"enabled": False, "recoveryCodesLeft": 0}
        assert (await api.post("/v1/me/mfa:confirm", {"code": "123456"})).status == 409
        assert (await api.post("/v1/me/mfa:disable", {"password": PASSWORD})).status == 409
        assert (await api.post("/v1/me/mfa:enrol", {"password": "wrong"})).status == 422
        begun = (await api.post("/v1/me/mfa:enrol", {"password": PASSWORD})).body
        assert begun["secret"] in begun["uri"]
        assert (await api.post("/v1/me/mfa:confirm", {"code": "12345"})).status == 422
        code = totp.code_of(begun["secret"], int(time.time()) // totp.STEP_SECONDS)
        done = await api.post("/v1/me/mfa:confirm", {"code": code})
        assert len(done.body["recoveryCodes"]) == 10
    async with browser(v1.server, cookie_of(done)) as api, browsing(v1.server) as page:
        state = (await api.get("/v1/me/mfa")).body
        assert (state["enabled"], state["recoveryCodesLeft"]) == (True, 10)
        assert (await api.get("/v1/me/sessions")).body["items"][0]["methods"] == ["pwd", "otp", "mfa"]
        assert (await api.post("/v1/me/mfa:enrol", {"password": PASSWORD})).status == 409
        assert (await log_in(page, "ada@example.com", PASSWORD)).location == "/login/mfa?return_to="
        off = await api.post("/v1/me/mfa:disable", {"password": PASSWORD})
        assert off.body == {"enabled": False, "recoveryCodesLeft": 0}
    async with browser(v1.server, cookie_of(off)) as api:
        assert (await api.get("/v1/me/sessions")).body["items"][0]["methods"] == ["pwd"]


@pytest.mark.slow
async def test_a_stolen_session_cannot_try_passwords_for_ever(v1: Application) -> None:
    user = await add_account(v1.server)
    async with browser(v1.server, await add_session(v1.server, user)) as api:
        body = {"current": "wrong", "password": NEW}
        tries = [(await api.post("/v1/me/password", body)).status for _ in range(CONFIRMATIONS.attempts + 1)]
        assert tries == [422] * CONFIRMATIONS.attempts + [429]
        refused = await api.post("/v1/me/mfa:enrol", {"password": PASSWORD})
        assert (refused.status, refused.code) == (429, "too_many_requests")


async def test_only_people_have_sessions(v1: Application) -> None:
    for method, path in (("GET", "/v1/me/sessions"), ("GET", "/v1/me/mfa"), ("POST", "/v1/me/password")):
        assert (await v1.call(method, path)).status == 403

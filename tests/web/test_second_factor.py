"""The second factor by the pages: turned on, asked for at sign-in, used once, turned off."""

import re
import time

import pytest

from tenantry.model import totp
from tenantry.model.audit import Filter
from tenantry.services.machines.local_admin import ACTOR
from tenantry.services.people.factors import Factors
from tenantry.services.throttle import CODES, CODES_OF_LOGIN
from tenantry.storage import factors, sessions
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.pages.halfway import COOKIE as HALFWAY_COOKIE
from tests.support.browsing import Browser, Page, browsing, log_in
from tests.support.people import PASSWORD, add_account, add_session, seen
from tests.support.server import ServerInProcess

EMAIL = "ada@example.com"
NOW = time.time()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands still, so that no code's time ends in the middle of a test."""
    monkeypatch.setattr(Factors.__init__, "__kwdefaults__", {"now": lambda: NOW})


def secret_of(page: Page) -> str:
    """What the page tells to type into an app."""
    return str(re.findall(r"<code>([A-Z2-7]{32})</code>", page.html)[0])


def code_now(secret: str, steps: int = 0) -> str:
    return totp.code_of(secret, int(NOW) // totp.STEP_SECONDS + steps)


async def turn_on(browser: Browser) -> tuple[str, list[str]]:
    """Turn it on for who is signed in: the app's secret, and the recovery codes."""
    begun = await browser.submit(await browser.get("/account/mfa"), password=PASSWORD)
    page = await browser.follow(begun)
    assert "<svg" in page.html
    secret = secret_of(page)
    # an earlier step, so that those of now are left for signing in
    done = await browser.submit(page, code=code_now(secret, -1))
    assert done.status == 200, done.text
    return secret, re.findall(r"<code>([0-9a-z-]{19,34})</code>", done.html)


async def enrolled(server: ServerInProcess) -> tuple[str, list[str]]:
    """The secret and the recovery codes of a new account."""
    await add_account(server)
    async with browsing(server) as browser:
        await log_in(browser, EMAIL, PASSWORD)
        return await turn_on(browser)


async def whoami(server: ServerInProcess, browser: Browser) -> int:
    await seen(server)
    return (await browser.get("/v1/me")).status


@pytest.mark.slow
async def test_the_page_with_the_recovery_codes_can_sign_out(server: ServerInProcess) -> None:
    """The page brings another session, and its button is of that one."""
    await add_account(server)
    async with browsing(server) as browser:
        await log_in(browser, EMAIL, PASSWORD)
        page = await browser.follow(await browser.submit(await browser.get("/account/mfa"), password=PASSWORD))
        codes = await browser.submit(page, code=code_now(secret_of(page), -1))
        (token,) = re.findall(r'name="csrf" value="(\w+)"', codes.html)
        assert (await browser.post("/logout", {"csrf": token})).location == "/login?notice=signed-out"


@pytest.mark.slow
async def test_it_is_turned_on_asked_for_and_turned_off(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as browser, browsing(server) as other:
        for each in (browser, other):
            await log_in(each, EMAIL, PASSWORD)
        before = browser.cookies[SESSION_COOKIE]
        secret, codes = await turn_on(browser)
        assert len(set(codes)) == 10
        assert browser.cookies[SESSION_COOKIE] != before
        assert (await browser.get("/account")).status == 200  # at once, before the news has arrived
        assert await whoami(server, other) == 401
        assert codes[0] not in (await browser.get("/account/mfa")).html

        halfway = await log_in(other, EMAIL, PASSWORD, "/login?return_to=/v1/tenants")
        assert halfway.location == "/login/mfa?return_to=%2Fv1%2Ftenants"
        assert await whoami(server, other) == 401
        page = await other.follow(halfway)
        wrong = await other.submit(page, code="000000" if code_now(secret) != "000000" else "000001")
        assert wrong.status == 422
        right = await other.submit(page, code=code_now(secret)[:3] + " " + code_now(secret)[3:])
        assert (right.status, right.location) == (303, "/v1/tenants")
        assert HALFWAY_COOKIE not in other.cookies
        assert await whoami(server, other) == 200

        page = await browser.get("/account/mfa")
        assert (await browser.submit(page, password="wrong")).status == 422
        assert (await browser.submit(page, password=PASSWORD)).location == "/account?notice=factor-off"
        assert await whoami(server, other) == 401
        assert (await log_in(other, EMAIL, PASSWORD)).location == "/account"
    told = await server.services.audit.list(ACTOR, Filter(kind="User"), before="", limit=50)
    assert [event.action for event in told if event.result == "ok"] == ["second-factor.disable", "second-factor.enable"]


async def test_a_session_tells_by_what_it_was_begun(server: ServerInProcess) -> None:
    secret, codes = await enrolled(server)
    for code, amr in ((code_now(secret), "pwd otp mfa"), (codes[0].upper(), "pwd mfa")):
        async with browsing(server) as browser:
            await log_in(browser, EMAIL, PASSWORD)
            assert (await browser.submit(await browser.get("/login/mfa"), code=code)).status == 303
        (event, *_) = await server.services.audit.list(ACTOR, Filter(action="session.begin"), before="", limit=1)
        assert event.message == amr


@pytest.mark.parametrize("kind", ["app", "recovery"])
async def test_a_code_works_once(server: ServerInProcess, kind: str) -> None:
    secret, codes = await enrolled(server)
    code = code_now(secret, 1) if kind == "app" else codes[3]
    statuses = []
    for _ in range(2):
        async with browsing(server) as browser:
            await log_in(browser, EMAIL, PASSWORD)
            statuses.append((await browser.submit(await browser.get("/login/mfa"), code=code)).status)
    assert statuses == [303, 422]


@pytest.mark.slow
async def test_a_recovery_code_of_an_earlier_release_works(
    server: ServerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenantry.model.factors._LENGTH", 16)
    _, codes = await enrolled(server)
    monkeypatch.undo()
    assert len(codes[0]) == 19
    async with browsing(server) as browser:
        await log_in(browser, EMAIL, PASSWORD)
        assert (await browser.submit(await browser.get("/login/mfa"), code=codes[0])).status == 303


@pytest.mark.slow
async def test_an_older_code_does_not_work_after_a_newer_one(server: ServerInProcess) -> None:
    secret, _ = await enrolled(server)
    statuses = []
    for code in (code_now(secret, 1), code_now(secret)):
        async with browsing(server) as browser:
            await log_in(browser, EMAIL, PASSWORD)
            statuses.append((await browser.submit(await browser.get("/login/mfa"), code=code)).status)
    assert statuses == [303, 422]


async def test_a_sign_in_has_so_many_tries_and_an_account_too(server: ServerInProcess) -> None:
    secret, _ = await enrolled(server)
    tried = 0
    async with browsing(server) as browser:
        while tried + CODES_OF_LOGIN.attempts <= CODES.attempts:
            await log_in(browser, EMAIL, PASSWORD)
            page = await browser.get("/login/mfa")
            answers = [(await browser.submit(page, code="wrong!")).status for _ in range(CODES_OF_LOGIN.attempts)]
            assert answers == [422] * CODES_OF_LOGIN.attempts
            assert (await browser.submit(page, code=code_now(secret))).status == 429
            tried += CODES_OF_LOGIN.attempts
        await log_in(browser, EMAIL, PASSWORD)
        refused = await browser.submit(await browser.get("/login/mfa"), code=code_now(secret))
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) > 0


async def test_half_a_sign_in_is_good_for_nothing_else_and_once(server: ServerInProcess) -> None:
    secret, codes = await enrolled(server)
    async with browsing(server) as browser, browsing(server) as thief:
        assert (await thief.get("/login/mfa")).location == "/login"
        await log_in(browser, EMAIL, PASSWORD)
        token = thief.cookies[HALFWAY_COOKIE] = browser.cookies[HALFWAY_COOKIE]
        assert (await thief.get(f"/password/reset/{token}")).status == 404
        assert (await browser.submit(await browser.get("/login/mfa"), code=code_now(secret))).status == 303
        page = await thief.get("/login/mfa")
        assert (await thief.submit(page, code=codes[0])).location == "/login?notice=begin-again"


@pytest.mark.slow
async def test_an_app_counts_only_once_it_has_shown_a_code(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as browser:
        await log_in(browser, EMAIL, PASSWORD)
        page = await browser.get("/account/mfa")
        assert (await browser.submit(page, password="wrong")).status == 422
        first = secret_of(await browser.follow(await browser.submit(page, password=PASSWORD)))
        assert secret_of(await browser.get("/account/mfa")) == first
        wrong = await browser.submit(await browser.get("/account/mfa"), code="123")
        assert wrong.status == 422
        assert secret_of(wrong) == first
        assert (await log_in(browser, EMAIL, PASSWORD)).location == "/account"


async def test_the_database_holds_no_secret_of_an_app(server: ServerInProcess) -> None:
    user = await add_account(server)
    async with browsing(server) as browser:
        await log_in(browser, EMAIL, PASSWORD)
        secret, codes = await turn_on(browser)
    factor = await server.services.db.run(factors.get, user.id)
    assert factor
    assert secret not in factor.secret
    files = b"".join(path.read_bytes() for path in server.data_dir.glob("tenantry.db*"))
    assert factor.secret.encode() in files
    for text in (secret, codes[0], codes[0].replace("-", "")):
        assert text.encode() not in files


async def test_an_app_that_waits_is_shown_and_confirmed_in_its_session_alone(server: ServerInProcess) -> None:
    user = await add_account(server)
    async with browsing(server) as owner, browsing(server) as thief:
        await log_in(owner, EMAIL, PASSWORD)
        shown = await owner.follow(await owner.submit(await owner.get("/account/mfa"), password=PASSWORD))
        thief.cookies[SESSION_COOKIE] = await add_session(server, user, amr=("fed",))
        asked = await thief.get("/account/mfa")
        assert (re.findall(r"<code>([A-Z2-7]{32})</code>", asked.html), 'name="password"' in asked.html) == ([], True)
        stolen = {"csrf": asked.forms[-1][1]["csrf"], "code": code_now(secret_of(shown), -1)}
        refused = await thief.post("/account/mfa/confirm", stolen)
        assert (refused.status, "begin again" in refused.text) == (409, True)
        assert (await server.services.factors.state(user.id)).since == 0
        assert (await owner.submit(shown, code=code_now(secret_of(shown), -1))).status == 200


async def test_an_app_waits_ten_minutes(server: ServerInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_account(server)
    async with browsing(server) as person:
        await log_in(person, EMAIL, PASSWORD)
        shown = await person.follow(await person.submit(await person.get("/account/mfa"), password=PASSWORD))
        monkeypatch.setattr("tenantry.model.factors.ENROLMENT_LIFE_US", 0)
        refused = await person.submit(shown, code=code_now(secret_of(shown), -1))
        assert (refused.status, "begin again" in refused.text) == (409, True)
        again = await person.get("/account/mfa")
        assert (secret_of(shown) in again.html, 'name="password"' in again.html) == (False, True)


async def test_a_session_goes_on_by_what_it_was_begun_and_what_was_proved(server: ServerInProcess) -> None:
    """That the account has a password does not say that the session was begun with it."""
    user = await add_account(server)
    async with browsing(server) as person:
        person.cookies[SESSION_COOKIE] = await add_session(server, user, amr=("fed", "hwk"))
        await turn_on(person)
        assert await amr(server, person) == ("fed", "hwk", "otp", "mfa")
        await person.submit(await person.get("/account/mfa"), password=PASSWORD)
        assert await amr(server, person) == ("fed", "hwk")


async def amr(server: ServerInProcess, person: Browser) -> tuple[str, ...]:
    found = await server.services.db.run(sessions.get, person.cookies[SESSION_COOKIE].split("_")[1])
    assert found
    return found.amr

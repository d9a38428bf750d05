"""Invites: made within one's own role, shown once, good once, and only while their maker could make them."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tenantry.model.identity import INVITE_LIFE_US, User
from tenantry.model.permissions import ROLES, Role
from tenantry.services.people import invites as module
from tenantry.storage.statement import Statement, arg
from tenantry.storage.tables import ApiKey
from tenantry.storage.unit import Unit
from tenantry.web.authentication import SESSION_COOKIE
from tests.support.application import Application
from tests.support.browsing import Browser, Page, browsing, log_in
from tests.support.mailbox import mailbox, until
from tests.support.people import add_member, add_session, add_user, browser, seen
from tests.support.server import running_server

INVITES = "/v1/tenants/acme/invites"
ADA = {"email": "Ada@Example.com", "role": "developer"}
PASSWORD = "four unrelated old words"
SPENT = "was used, was taken back"


async def a_tenant(v1: Application, role: Role = Role.OWNER) -> tuple[str, User]:
    """The identity of `acme`, and its first member."""
    acme = (await v1.tenant("acme"))["status"]["tenantID"]
    user = await add_user(v1.server, "first@example.com", name="First")
    await add_member(v1.server, acme, user, role)
    return acme, user


async def a_link(v1: Application, **change: str) -> str:
    """The path of a new invite of the platform's."""
    made = await v1.post(INVITES, ADA | change)
    assert made.status == 201, made.body
    return urlsplit(str(made.body["link"])).path


async def accept(person: Browser, path: str) -> Page:
    return await person.submit(await person.get(path))


async def roles(v1: Application) -> dict[str, str]:
    return {item["user"]["email"]: item["role"] for item in await v1.items("/v1/tenants/acme/members")}


@pytest.mark.parametrize(
    ("inviter", "role", "status"),
    [
        (Role.OWNER, "owner", 201),
        (Role.ADMIN, "admin", 201),
        (Role.ADMIN, "owner", 403),
        (Role.DEVELOPER, "viewer", 403),
        (Role.VIEWER, "viewer", 403),
    ],
)
async def test_nobody_invites_above_their_own_role(v1: Application, inviter: Role, role: str, status: int) -> None:
    acme, user = await a_tenant(v1, inviter)
    async with browser(v1.server, await add_session(v1.server, user, acme)) as api:
        assert (await api.post(INVITES, ADA | {"role": role})).status == status
        assert len(await api.items(INVITES)) == (status == 201)


async def test_an_invite_is_seen_by_its_tenant_and_its_link_once(v1: Application) -> None:
    await a_tenant(v1)
    await v1.tenant("beta")
    made = await v1.post(INVITES, ADA, idempotency_key="k")
    invite, link = made.body["invite"], made.body["link"]
    ours = v1.server.base_url.replace("127.0.0.1", "localhost")  # one name in every link: cookies belong to a name
    assert link.startswith(f"{ours}/invite/tni_{invite['id']}_")
    assert (invite["email"], invite["role"], invite["state"]) == ("ada@example.com", "developer", "Pending")
    assert made.headers["Location"] == f"{INVITES}/{invite['id']}"
    assert (await v1.post(INVITES, ADA, idempotency_key="k")).code == "secret_already_shown"
    assert await v1.items(INVITES) == [invite]
    assert (await v1.get(f"{INVITES}/{invite['id']}")).body == invite
    for path in (f"/v1/tenants/beta/invites/{invite['id']}", f"{INVITES}/nothing"):
        assert (await v1.get(path)).code == "not_found"
    secret = link.split("_")[2]
    for path in (INVITES, "/v1/audit"):
        assert secret not in str(await v1.items(path))
    for file in v1.server.data_dir.rglob("*.db*"):
        assert secret.encode() not in file.read_bytes()
    revoked = await v1.post(f"{INVITES}/{invite['id']}:revoke")
    assert revoked.body["state"] == "Revoked"
    assert (await v1.post(f"{INVITES}/{invite['id']}:revoke")).body == revoked.body
    assert [row["action"] for row in await v1.items(f"/v1/audit?name={invite['id']}")] == [
        "invite.revoke", "invite.create",
    ]  # fmt: skip


async def test_all_that_is_wrong_is_told_at_once(v1: Application) -> None:
    await a_tenant(v1)
    refused = await v1.post(INVITES, {"email": "ada", "role": "boss", "mail": 1})
    assert [error["path"] for error in refused.body["errors"]] == ["email", "role", "mail"]


@pytest.mark.parametrize(
    "email", ["", "ada", "a@b", "ada@example.com\n", "a b@example.com", "x" * 250 + "@example.com"]
)
async def test_a_wrong_address_is_refused(v1: Application, email: str) -> None:
    await a_tenant(v1)
    refused = await v1.post(INVITES, ADA | {"email": email})
    if email.strip() != "ada@example.com":
        assert [error["path"] for error in refused.body["errors"]] == ["email"]


async def test_a_stranger_makes_an_account_and_is_a_member(v1: Application) -> None:
    await a_tenant(v1)
    path = await a_link(v1)
    async with browsing(v1.server) as ada:
        page = await ada.get(path)
        assert "Somebody invites ada@example.com to be developer of acme" in page.text
        guessable = await ada.submit(page, name="Ada", password="ada@example.com", repeated="ada@example.com")
        assert (guessable.status, "easy to guess" in guessable.text) == (422, True)
        short = await ada.submit(page, name="Ada", password="short", repeated="short")
        assert short.status == 422
        differ = await ada.submit(short, name="Ada", password=PASSWORD, repeated="another old word")
        assert (differ.status, "not the same" in differ.text) == (422, True)
        wrong = await ada.submit(differ, name="A" * 101, password="short", repeated="other")
        assert wrong.html.count('class="problem"') == 3
        joined = await ada.submit(wrong, name="Ada", password=PASSWORD, repeated=PASSWORD)
        assert (joined.status, joined.location) == (303, "/account")
        async with browser(v1.server, ada.cookies[SESSION_COOKIE]) as api:
            me = (await api.get("/v1/me")).body
        assert (me["user"]["name"], me["tenant"]["name"], me["tenant"]["role"]) == ("Ada", "acme", "developer")
    async with browsing(v1.server) as again:
        assert SPENT in (await again.get(path)).text
        assert (await log_in(again, "ada@example.com", PASSWORD)).status == 303
    [invite] = await v1.items(INVITES)
    assert (invite["state"], invite["acceptedBy"]) == ("Accepted", me["user"]["id"])
    rows = await v1.items(f"/v1/audit?actor=user:{me['user']['id']}")
    assert {"invite.accept", "user.create"} <= {row["action"] for row in rows}


async def test_who_has_an_account_signs_in_and_accepts_with_any_address(v1: Application) -> None:
    await a_tenant(v1)
    path, first = await a_link(v1, email="other@example.com"), await a_link(v1)
    async with browsing(v1.server) as ada:
        await ada.submit(await ada.get(first), password=PASSWORD, repeated=PASSWORD)
    await v1.call("DELETE", f"/v1/tenants/acme/members/{(await v1.items('/v1/users?email=ada@example.com'))[0]['id']}")
    async with browsing(v1.server) as ada:
        stranger = await ada.get(path)
        assert f'href="/login?return_to={path.replace("/", "%2F")}"' in stranger.html
        back = await log_in(ada, "ada@example.com", PASSWORD, f"/login?return_to={path}")
        page = await ada.follow(back)
        assert "signed in as ada@example.com. That is another address" in page.text
        assert (await ada.submit(page)).status == 303
        await seen(v1.server)
        async with browser(v1.server, ada.cookies[SESSION_COOKIE]) as api:
            assert (await api.get("/v1/me")).body["tenant"]["name"] == "acme"
    assert (await roles(v1))["ada@example.com"] == "developer"
    assert "meant for other@example.com" in str(await v1.items("/v1/audit?action=invite.accept"))


async def test_an_address_that_has_an_account_is_told_to_sign_in_and_the_invite_stays(v1: Application) -> None:
    await a_tenant(v1)
    await add_user(v1.server, "ada@example.com", email_verified=False)
    path = await a_link(v1)
    async with browsing(v1.server) as ada:
        page = await ada.submit(await ada.get(path), password=PASSWORD, repeated=PASSWORD)
        assert (page.status, "sign in with it" in page.text) == (422, True)
    assert [invite["state"] for invite in await v1.items(INVITES)] == ["Pending"]


async def test_a_link_does_not_tell_whether_somebody_has_proved_the_address(v1: Application) -> None:
    await a_tenant(v1)
    ada = await add_user(v1.server, "ada@example.com")
    path = await a_link(v1)
    async with browsing(v1.server) as mallory:
        page = await mallory.submit(await mallory.get(path), password=PASSWORD, repeated=PASSWORD)
        assert page.status == 303
    found = await v1.items("/v1/users?email=ada@example.com")
    assert {each["id"] == ada.id: each["emailVerified"] for each in found} == {True: True, False: False}


async def test_a_member_does_not_use_an_invite_up(v1: Application) -> None:
    acme, user = await a_tenant(v1)
    path = await a_link(v1)
    async with browsing(v1.server) as first:
        first.cookies[SESSION_COOKIE] = await add_session(v1.server, user, acme)
        page = await accept(first, path)
        assert (page.status, "member of this tenant already" in page.text) == (422, True)
    assert [invite["state"] for invite in await v1.items(INVITES)] == ["Pending"]
    assert await roles(v1) == {"first@example.com": "owner"}


@pytest.mark.parametrize("end", ["revoke", "expire", "delete", "mistype", "secret"])
async def test_a_link_that_does_not_work_says_nothing_of_why(
    v1: Application, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_tenant(v1)
    if end == "expire":
        monkeypatch.setattr(module, "INVITE_LIFE_US", 0)
    path = await a_link(v1)
    assert INVITE_LIFE_US == 7 * 24 * 3600 * 1_000_000
    if end == "revoke":
        await v1.post(f"{INVITES}/{path.split('_')[1]}:revoke")
    elif end == "delete":
        await v1.delete("tenants/acme")
        await seen(v1.server)
    elif end == "mistype":
        path = path[:-1]
    elif end == "secret":
        path = path.replace(path.split("_")[1], (await a_link(v1)).split("_")[1])
    async with browsing(v1.server) as ada:
        page = await ada.get(path)
        assert (page.status, SPENT in page.text) == (404, True)


@pytest.mark.parametrize("change", ["demoted", "removed", "disabled"])
async def test_who_goes_leaves_no_door_open(v1: Application, change: str) -> None:
    acme, user = await a_tenant(v1)
    await add_member(v1.server, acme, await add_user(v1.server, "second@example.com"), Role.OWNER)
    async with browser(v1.server, await add_session(v1.server, user, acme)) as api:
        path = urlsplit((await api.post(INVITES, ADA | {"role": "admin"})).body["link"]).path
    if change == "disabled":
        done = await v1.call("PATCH", f"/v1/users/{user.id}", {"state": "Disabled"})
    elif change == "removed":
        done = await v1.call("DELETE", f"/v1/tenants/acme/members/{user.id}")
    else:
        done = await v1.call("PATCH", f"/v1/tenants/acme/members/{user.id}", {"role": "developer"})
    assert done.status == 200
    async with browsing(v1.server) as ada:
        page = await ada.submit(await ada.get(path), password=PASSWORD, repeated=PASSWORD)
        assert (page.status, SPENT in page.text) == (404, True)
    assert "ada@example.com" not in await roles(v1)


def _expire(unit: Unit, key_id: str) -> None:
    unit.execute(Statement(ApiKey.update(expires_at=1).where(ApiKey.id == arg("id"))), id=key_id)


@pytest.mark.parametrize("end", ["none", "revoked", "expired"])
async def test_an_invite_ends_with_the_key_that_made_it(v1: Application, end: str) -> None:
    acme, _ = await a_tenant(v1)
    async with v1.as_key("members:write", "members:read", "resources:read", tenant_id=acme) as api:
        path = urlsplit((await api.post(INVITES, ADA | {"role": "viewer"})).body["link"]).path
    [key] = await v1.items("/v1/tenants/acme/keys")
    if end == "revoked":
        assert (await v1.post(f"/v1/tenants/acme/keys/{key['id']}:revoke")).status == 200
    elif end == "expired":
        await v1.server.services.db.run(_expire, key["id"], write=True)
    async with browsing(v1.server) as ada:
        page = await ada.submit(await ada.get(path), password=PASSWORD, repeated=PASSWORD)
        assert (page.status, SPENT in page.text) == ((303, False) if end == "none" else (404, True))


@pytest.mark.parametrize("end", ["none", "demoted", "disabled", "deleted"])
async def test_an_invite_ends_with_the_program_that_made_it(v1: Application, end: str) -> None:
    acme, _ = await a_tenant(v1)
    made = await v1.post("/v1/tenants/acme/service-accounts", {"name": "ci", "role": "admin"})
    program = f"/v1/tenants/acme/service-accounts/{made.body['id']}"
    async with v1.as_key(*sorted(ROLES[Role.ADMIN]), tenant_id=acme, owner=f"service-account:{made.body['id']}") as api:
        path = urlsplit((await api.post(INVITES, ADA)).body["link"]).path
    if end == "deleted":
        assert (await v1.call("DELETE", program)).status == 200
    elif end != "none":
        change = {"role": "viewer"} if end == "demoted" else {"state": "Disabled"}
        assert (await v1.call("PATCH", program, change)).status == 200
    async with browsing(v1.server) as ada:
        page = await ada.submit(await ada.get(path), password=PASSWORD, repeated=PASSWORD)
        assert (page.status, SPENT in page.text) == ((303, False) if end == "none" else (404, True))


async def test_nobody_joins_a_suspended_tenant(v1: Application) -> None:
    await a_tenant(v1)
    path = await a_link(v1)
    await v1.patch("tenants/acme", {"spec": {"state": "Suspended", "suspension": {"reason": "unpaid"}}})
    await seen(v1.server)
    async with browsing(v1.server) as ada:
        page = await ada.submit(await ada.get(path), password=PASSWORD, repeated=PASSWORD)
        assert (page.status, "unpaid" in page.text) == (403, True)


async def test_an_invite_is_mailed_where_that_is_configured_and_not_too_often(tmp_path: Path) -> None:
    with mailbox(tmp_path) as box:
        async with (
            running_server(tmp_path, **box.settings) as server,
            server.session() as session,
        ):
            v1 = Application(session, server)
            await v1.tenant("acme")
            made = [(await v1.post(INVITES, ADA)).body for _ in range(4)]
            assert [(each["mailed"], "link" in each) for each in made] == [(True, False)] * 3 + [(False, True)]
            await until(lambda: len(box.mails) == 3)
            mails = {mail.get_content() for mail in box.mails}
            assert all(mail["To"] == "ada@example.com" for mail in box.mails)
            for each in made[:3]:
                assert sum(f"/invite/tni_{each['invite']['id']}_" in mail for mail in mails) == 1


async def test_who_is_removed_comes_back_by_no_older_invite(v1: Application) -> None:
    await a_tenant(v1)
    used, left, own = await a_link(v1), await a_link(v1, role="owner"), await a_link(v1, email="ada@home.example")
    others = await a_link(v1, email="bob@example.com")
    user = await add_user(v1.server, "ada@home.example")
    async with browsing(v1.server) as ada:
        ada.cookies[SESSION_COOKIE] = await add_session(v1.server, user)
        assert (await accept(ada, used)).status == 303
        assert (await v1.call("DELETE", f"/v1/tenants/acme/members/{user.id}")).status == 200
        for link in (left, own):  # to the address by which they joined, and to their account's
            assert SPENT in (await ada.get(link)).text
        assert SPENT not in (await ada.get(others)).text
    states = {item["email"]: item["state"] for item in await v1.items(INVITES) if item["state"] != "Accepted"}
    assert states == {"ada@example.com": "Revoked", "ada@home.example": "Revoked", "bob@example.com": "Pending"}
    told = await v1.items("/v1/audit?action=invite.revoke")
    assert len(told) == 2


async def test_who_leaves_takes_back_no_invite_that_may_be_somebody_elses(v1: Application) -> None:
    await a_tenant(v1)
    lent = await a_link(v1, email="bob@example.com")
    eve = await add_user(v1.server, "ada@example.com", email_verified=False)
    async with browsing(v1.server) as browser:
        browser.cookies[SESSION_COOKIE] = await add_session(v1.server, eve)
        assert (await accept(browser, lent)).status == 303
        for email in ("bob@example.com", "ada@example.com"):  # whose link she had, and whose address she says is hers
            await a_link(v1, email=email)
        assert (await v1.call("DELETE", f"/v1/tenants/acme/members/{eve.id}")).status == 200
    states = [item["state"] for item in await v1.items(INVITES)]
    assert sorted(states) == ["Accepted", "Pending", "Pending"]

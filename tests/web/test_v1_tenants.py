"""What the owners of a tenant change of its Tenant themselves."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tenantry.model.errors import TenantryError
from tenantry.model.identity import Actor, Invite
from tenantry.model.kinds import TENANT, Address
from tenantry.model.permissions import ROLES, Role
from tenantry.services import caps
from tenantry.services.people import invites as module
from tenantry.services.resources.records import Source
from tenantry.services.throttle import MAILS_OF_TENANT
from tenantry.storage import invites, revisions
from tests.support.application import Answer, Application
from tests.support.mailbox import mailbox, until
from tests.support.people import add_member, add_session, add_user, browser, seen
from tests.support.server import running_server
from tests.web.test_first_admins import ADA, BOB, EVE, INVITES, invited

ACME = "/v1/tenants/acme"


async def change(api: Application, fields: Any, path: str = ACME, **headers: str) -> Answer:
    return await api.call("PATCH", path, fields, **headers)


async def of_role(v1: Application, tenant: dict[str, Any], role: Role) -> str:
    """The cookie of a new member."""
    user, tenant_id = await add_user(v1.server, f"{role}@example.com"), tenant["status"]["tenantID"]
    await add_member(v1.server, tenant_id, user, role)
    return await add_session(v1.server, user, tenant_id)


@pytest.mark.slow
async def test_an_owner_changes_what_is_theirs_and_nothing_else(stored_v1: Application) -> None:
    v1 = stored_v1
    tenant = await v1.tenant("acme", hostnames=["acme.example.com"], admins=[BOB])
    assert await invited(v1) == {BOB: "Pending"}
    async with browser(v1.server, await of_role(v1, tenant, Role.OWNER)) as owner:
        done = await change(owner, {"displayName": "New name", "admins": [ADA]})
        assert (done.status, done.etag) == (200, f'"{done.body["metadata"]["resourceVersion"]}"')
        assert done.body["spec"] == tenant["spec"] | {"displayName": "New name", "admins": [ADA]}
        assert done.body["metadata"]["generation"] == 2
        assert await invited(v1) == {ADA: "Pending", BOB: "Revoked"}
        assert (await owner.get(ACME)).body == done.body
        again = await change(owner, {"displayName": "New name"})
        assert (again.body, again.etag) == (done.body, done.etag)  # nothing is written
        none = await change(owner, {"admins": None})
        assert "admins" not in none.body["spec"]
        assert await invited(v1) == {ADA: "Revoked", BOB: "Revoked"}
    author = f"user:{(await v1.items('/v1/tenants/acme/members'))[0]['user']['id']}"
    rows = [row for row in await v1.items("/v1/audit?name=acme") if row["action"] == "patch"]
    assert [row["actor"] for row in rows] == [author, author]
    assert {"path": "spec.displayName", "before": "One", "after": "New name"} in rows[1]["changes"]
    key = ("Tenant", "", "acme", tenant["status"]["tenantID"])
    kept = await v1.server.services.db.run(lambda unit: revisions.page(unit, key, limit=9))
    assert [each.author for each in kept][:2] == [author, author]


async def test_whoever_owns_a_field_by_server_side_apply_is_told_of_the_change(v1: Application) -> None:
    """A patch makes its fields the manager's, as any write that is no apply: the next apply meets a conflict."""
    await v1.tenant("acme", "One")
    config = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"}}
    config["spec"] = {"displayName": "One", "planRef": {"name": "pro"}}
    path = "/apis/tenantry.dev/v1alpha1/tenants/acme?fieldManager=gitops"
    applied = {"Content-Type": "application/apply-patch+yaml"}
    assert (await v1.call("PATCH", f"{path}&force=true", config, **applied)).status == 200
    done = await change(v1, {"displayName": "Two"})
    (entry,) = [each for each in done.body["metadata"]["managedFields"] if each["manager"] == "tenantry"]
    assert (entry["operation"], entry["fieldsV1"]) == ("Update", {"f:spec": {"f:displayName": {}}})
    conflict = await v1.call("PATCH", path, config, **applied)
    assert conflict.status == 409
    assert 'conflict with "tenantry"' in conflict.body["message"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"displayName": ""}, "displayName", "FieldValueInvalid"),
        ({"displayName": "x" * 129}, "displayName", "FieldValueTooLong"),
        ({"displayName": None}, "displayName", "FieldValueRequired"),
        ({"displayName": 7}, "displayName", "FieldValueTypeInvalid"),
        ({"admins": ["nobody"]}, "admins[0]", "FieldValueInvalid"),
        ({"admins": [ADA, ADA]}, "admins[1]", "FieldValueDuplicate"),
        ({"admins": ADA}, "admins", "FieldValueTypeInvalid"),
        ({"admins": [f"{number}@example.com" for number in range(51)]}, "admins", "FieldValueTooMany"),
        ({"planRef": {"name": "free"}}, "planRef", "FieldValueForbidden"),
        ({"state": "Active"}, "state", "FieldValueForbidden"),
        ({"hostnames": []}, "hostnames", "FieldValueForbidden"),
        ({"spec": {"displayName": "Two"}}, "spec", "FieldValueForbidden"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_written(
    v1: Application, fields: dict[str, Any], path: str, code: str
) -> None:
    tenant = await v1.tenant("acme")
    refused = await change(v1, {"displayName": "Two", **fields})
    assert (refused.status, refused.code) == (422, "invalid")
    assert [(each["path"], each["code"]) for each in refused.body["errors"]] == [(path, code)]
    assert (await v1.get(ACME)).body == tenant


async def test_only_what_was_seen_is_changed(v1: Application) -> None:
    tenant = await v1.tenant("acme")
    seen_at = f'"{tenant["metadata"]["resourceVersion"]}"'
    assert (await change(v1, {"displayName": "Two"}, if_match=seen_at)).status == 200
    stale = await change(v1, {"displayName": "Three"}, if_match=seen_at)
    assert (stale.status, stale.code) == (412, "precondition_failed")
    assert (await v1.get(ACME)).body["spec"]["displayName"] == "Two"


async def test_of_twenty_who_have_seen_the_same_one_changes_it(stored_v1: Application) -> None:
    v1 = stored_v1
    tenant = await v1.tenant("acme")
    seen_at = f'"{tenant["metadata"]["resourceVersion"]}"'
    done = await asyncio.gather(*(change(v1, {"displayName": f"N{n}"}, if_match=seen_at) for n in range(20)))
    assert sorted(each.status for each in done) == [200] + [412] * 19
    both = await asyncio.gather(*(change(v1, {"displayName": "X"}), change(v1, {"admins": [ADA]})))
    assert [each.status for each in both] == [200, 200]  # who names no version is never refused
    spec = (await v1.get(ACME)).body["spec"]
    assert (spec["displayName"], spec["admins"]) == ("X", [ADA])


@pytest.mark.parametrize("role", [Role.ADMIN, Role.DEVELOPER, Role.VIEWER])
async def test_who_is_no_owner_changes_nothing(v1: Application, role: Role) -> None:
    tenant = await v1.tenant("acme")
    async with browser(v1.server, await of_role(v1, tenant, role)) as member:
        assert (await change(member, {"displayName": "Two"})).code == "forbidden"


async def test_a_credential_names_only_those_whom_it_could_make_administrators(v1: Application) -> None:
    tenant_id = (await v1.tenant("acme"))["status"]["tenantID"]
    await v1.tenant("beta")
    async with v1.as_key("tenants:write", tenant_id=tenant_id) as weak:
        assert (await change(weak, {"displayName": "Two"})).status == 200
        assert (await change(weak, {"admins": [ADA]})).code == "forbidden"
        assert (await change(weak, {"admins": None})).code == "forbidden"
        assert (await change(weak, {"displayName": "Two"}, "/v1/tenants/beta")).code == "not_found"
    async with v1.as_key("tenants:write", *map(str, ROLES[Role.ADMIN]), tenant_id=tenant_id) as strong:
        assert (await change(strong, {"admins": [ADA]})).status == 200


async def test_what_a_cluster_manages_is_changed_there(v1: Application) -> None:

    at, actor, records = Address(TENANT, "", "acme"), Actor(name="operator", cluster="east"), v1.server.services.records
    source = Source(cluster="east", instance=await records.instance(actor, "east"), uid="1")
    await records.put(actor, at, source, {"spec": {"displayName": "One", "planRef": {"name": "pro"}}})
    refused = await change(v1, {"displayName": "Two"})
    assert (refused.status, refused.code) == (409, "managed_elsewhere")
    assert 'cluster "east"' in refused.body["detail"]


async def test_a_suspended_tenant_is_not_changed_by_its_owner(v1: Application) -> None:
    tenant = await v1.tenant("acme")
    cookie = await of_role(v1, tenant, Role.OWNER)
    await v1.patch("tenants/acme", {"spec": {"state": "Suspended", "suspension": {"mode": "ReadOnly"}}})
    await seen(v1.server)
    async with browser(v1.server, cookie) as owner:
        assert (await change(owner, {"displayName": "Two"})).code == "tenant_suspended"
    assert (await change(v1, {"displayName": "Two"})).status == 200  # the platform does


@pytest.mark.slow
async def test_whom_an_owner_lists_is_invited_by_them_as_long_as_they_may_invite(stored_v1: Application) -> None:
    v1 = stored_v1
    tenant = await v1.tenant("acme", admins=[BOB])
    await invited(v1)
    async with browser(v1.server, await of_role(v1, tenant, Role.OWNER)) as owner:
        assert (await change(owner, {"admins": [BOB, ADA]})).status == 200
        made = {each["email"]: each for each in await v1.items(INVITES)}  # in the same unit: nobody waits
        (member,) = await v1.items("/v1/tenants/acme/members")
        name = f"user:{member['user']['id']}"
        assert {email: each["invitedBy"] for email, each in made.items()} == {BOB: "worker", ADA: name}
        rows = await v1.items(f"/v1/audit?name={made[ADA]['id']}")
        assert [(row["action"], row["actor"]) for row in rows] == [("invite.create", name)]
        stored = {each.id: each for each in await of_tenant(v1, tenant)}
        assert await accept(v1, stored[made[BOB]["id"]]) == "accepted"
        await add_member(v1.server, tenant["status"]["tenantID"], await add_user(v1.server, EVE), Role.OWNER)
        assert (await v1.call("DELETE", f"/v1/tenants/acme/members/{member['user']['id']}")).status == 200
    assert await accept(v1, stored[made[ADA]["id"]]) == "not_found"
    assert await invited(v1) == {BOB: "Accepted", ADA: "Pending"}
    await v1.patch("tenants/acme", {"spec": {"admins": [BOB]}})  # whoever takes the address out takes it back
    assert await invited(v1) == {BOB: "Accepted", ADA: "Revoked"}


async def of_tenant(v1: Application, tenant: dict[str, Any]) -> list[Invite]:
    read = partial(invites.page, tenant_id=tenant["status"]["tenantID"], limit=999)
    return await v1.server.services.db.run(read)


async def accept(v1: Application, invite: Invite) -> str:
    """What comes of it when somebody accepts who has its link."""
    user = await add_user(v1.server, f"{invite.id}@example.com")
    accepting = partial(module._accept, actor=Actor(name=user.id, user_id=user.id), invite=invite, newcomer=None)
    try:
        await v1.server.services.db.run(accepting, write=True)
    except TenantryError as error:
        return str(error.code)
    return "accepted"


async def test_no_list_of_an_owner_invites_in_the_name_of_the_platform_later(v1: Application) -> None:
    tenant = await v1.tenant("acme")
    member = await add_user(v1.server, ADA, email_verified=True)
    await add_member(v1.server, tenant["status"]["tenantID"], member, Role.VIEWER)
    async with browser(v1.server, await of_role(v1, tenant, Role.OWNER)) as owner:
        refused = await change(owner, {"admins": [BOB, ADA]})
        assert (refused.code, [each["path"] for each in refused.body["errors"]]) == ("invalid", ["admins[1]"])
        assert await invited(v1) == {}
        assert "admins" not in (await v1.get(ACME)).body["spec"]
        await v1.patch("tenants/acme", {"metadata": {"finalizers": ["example.com/wait"]}})
        await v1.delete("tenants/acme")
        refused = await change(owner, {"admins": [BOB]})
        assert (refused.code, [each["path"] for each in refused.body["errors"]]) == ("invalid", ["admins"])
    assert await invited(v1) == {}


@pytest.mark.slow
async def test_lists_of_owners_have_the_limits_of_invites(v1: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caps, "INVITES", replace(caps.INVITES, most=2))
    tenant = await v1.tenant("acme")
    async with browser(v1.server, await of_role(v1, tenant, Role.OWNER)) as owner:
        refused = await change(owner, {"admins": ["a@example.com", "b@example.com", "c@example.com"]})
        assert refused.code == "limit_reached"
        assert (await of_tenant(v1, tenant), "admins" in (await v1.get(ACME)).body["spec"]) == ([], False)
        assert (await change(owner, {"admins": [ADA, BOB]})).status == 200
    await v1.patch("tenants/acme", {"spec": {"admins": [ADA, BOB, EVE]}})  # the platform's worker has them, too
    assert await invited(v1) == {ADA: "Pending", BOB: "Pending"}


@pytest.mark.slow
@pytest.mark.parametrize("by", ["owner", "platform"])
async def test_beyond_what_a_tenant_may_mail_lists_invite_without_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr(module, "MAILS_OF_TENANT", replace(MAILS_OF_TENANT, attempts=3))
    with mailbox(tmp_path) as box:
        async with running_server(tmp_path, **box.settings) as server, server.session() as session:
            v1 = Application(session, server)
            tenant = await v1.tenant("acme")
            async with browser(server, await of_role(v1, tenant, Role.OWNER)) as owner:
                api = {"owner": owner, "platform": v1}[by]
                for turn in "ab":
                    listed = [f"{turn}{number}@example.com" for number in range(2)]
                    assert (await change(api, {"admins": listed})).status == 200
                    await invited(v1)
            await until(lambda: len(box.mails) == 3)
            assert [each.mailed for each in await of_tenant(v1, tenant)].count(True) == 3
            (step,) = (await v1.get("/v1/tenants/acme/explain")).body["next"][-1:]
            assert step.startswith("1 of its first administrators (spec.admins) wait without a link")

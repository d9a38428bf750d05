"""The audit log: who did what, what it changed, who was refused; and no secret in it."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tenantry import logs
from tenantry.model import credentials
from tenantry.model.audit import LONGEST_VALUE, MOST_CHANGES, REDACTED, describe
from tenantry.model.credentials import new_token
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.services.audit import log as audit_module
from tenantry.services.audit.log import MOST_DENIALS
from tests.support.application import KUBERNETES, Application


async def _told(api: Application, query: str = "") -> list[tuple[str, str]]:
    rows = await api.items(f"/v1/audit{query}")
    return [(row["action"], row.get("name", "")) for row in rows if row.get("kind") != "ApiKey"]


async def _denied(api: Application) -> list[dict[str, Any]]:
    await asyncio.gather(*api.server.services.audit._writing)
    return await api.items("/v1/audit?result=denied")


async def test_every_change_has_its_actor_and_what_it_changed(stored_v1: Application) -> None:
    made = await stored_v1.tenant("acme")
    async with stored_v1.as_key("platform:admin") as robot:
        body = {"spec": {"displayName": "Two"}, "metadata": {"labels": {"ring": "internal"}}}
        headers = {"Content-Type": "application/merge-patch+json", "X-Request-ID": "r" * 128}
        done = await robot.call("PATCH", f"{KUBERNETES}/tenants/acme", body, **headers)
        assert done.status == 200
        await robot.post("/v1/tenants/acme/revisions/1:rollback", {"message": "too soon"})
        await robot.delete("tenants/acme")
    rows = await stored_v1.items("/v1/audit?name=acme")
    assert [row["action"] for row in rows] == ["delete", "rollback", "patch", "create"]
    assert rows[3]["actor"] == "local-admin"
    assert rows[0]["actor"].startswith("key:")
    assert {row["actor"] for row in rows[:3]} == {rows[0]["actor"]}
    assert {row["tenantID"] for row in rows} == {made["status"]["tenantID"]}
    assert {row["ip"] for row in rows} == {"127.0.0.1"}
    patched = rows[2]
    assert patched["resourceVersion"] == done.body["metadata"]["resourceVersion"]
    assert patched["requestID"] == done.headers["X-Request-ID"] == headers["X-Request-ID"]
    assert patched["changes"] == [
        {"path": "metadata.labels", "after": {"ring": "internal"}},
        {"path": "spec.displayName", "before": "One", "after": "Two"},
    ]
    assert rows[1]["message"] == "too soon"
    assert rows[1]["changes"] == [{"path": "spec.displayName", "before": "Two", "after": "One"}]


async def test_it_is_filtered_and_paged(v1: Application) -> None:
    tenant = await v1.tenant("acme")
    await v1.create("plans", "pro", {"displayName": "Pro"})
    await v1.create("configs", "web", {"configSet": "web", "scope": {"global": {}}}, namespace="tenantry-system")
    await v1.patch("plans/pro", {"spec": {"displayName": "Professional"}})
    everything = await _told(v1)
    assert everything == [("patch", "pro"), ("create", "web"), ("create", "pro"), ("create", "acme")]
    assert await _told(v1, "?limit=1") == everything
    for query, expected in (
        ("?kind=Plan", [0, 2]),
        ("?action=create", [1, 2, 3]),
        ("?namespace=tenantry-system", [1]),
        (f"?tenantID={tenant['status']['tenantID']}", [3]),
        ("?actor=local-admin&kind=Tenant&limit=1", [3]),
        ("?actor=nobody", []),
        ("?result=denied", []),
    ):
        assert await _told(v1, query) == [everything[number] for number in expected], query
    assert (await v1.get("/v1/audit?result=maybe")).code == "bad_request"


async def test_a_tenants_key_sees_what_is_about_its_tenant(v1: Application) -> None:
    own, other = [(await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "beta")]
    async with v1.as_key("platform:read", tenant_id=own) as acme:
        assert await _told(acme) == [("create", "acme")]
        assert await _told(acme, f"?tenantID={other}") == []
    async with v1.as_key("platform:reconcile") as operator:
        assert (await operator.get("/v1/audit")).code == "forbidden"


async def test_a_refusal_is_told_once_a_minute(v1: Application) -> None:
    async with v1.as_key("platform:read") as reader:
        for _ in range(3):
            assert (await reader.post(f"{KUBERNETES}/tenants", {})).status == 403
        assert (await reader.post("/v1/tenants/acme/revisions/1:rollback")).status == 403
        # neither what is not there nor what is wrong is a refusal
        assert (await reader.get("/v1/tenants/acme")).status == 404
    second, first = await _denied(v1)
    assert first["actor"] == second["actor"] != "local-admin"
    assert [(row["action"], row.get("kind")) for row in (first, second)] == [("post", "Tenant"), ("post", None)]
    assert 'cannot create resource "tenants" in API group "tenantry.dev" at the cluster scope: ' in first["message"]
    assert '"/v1/tenants/acme/revisions/1:rollback"' in second["message"]


async def test_who_is_refused_much_fills_no_disk(v1: Application) -> None:
    async with v1.as_key("platform:read") as reader:
        for number in range(MOST_DENIALS + 5):
            assert (await reader.post(f"/v1/tenants/t{number}/revisions/1:rollback")).status == 403
    assert len(await _denied(v1)) == MOST_DENIALS


async def test_the_addresses_of_a_network_are_one_callers(v1: Application) -> None:
    """Who has a /64 would else leave no room for the refusals of anybody else."""
    log = v1.server.services.audit
    for number in range(MOST_DENIALS + 5):
        stranger = Actor(name="system:anonymous", ip=f"2001:db8::{number:x}")
        log.note_denied(stranger, "GET", f"/{number}", TenantryError(Code.FORBIDDEN, "no"))
    await log.close()
    assert len(await _denied(v1)) == MOST_DENIALS


async def test_all_that_are_refused_fill_no_disk(v1: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "MOST_OF_ALL", 3)
    for _ in range(5):
        async with v1.as_key("platform:read") as reader:
            assert (await reader.post(f"{KUBERNETES}/tenants", {})).status == 403
    assert len(await _denied(v1)) == 3


async def test_a_refusal_by_the_state_of_things_is_told(stored_v1: Application) -> None:
    await stored_v1.create("plans", "pro", {"displayName": "Pro"})
    await stored_v1.tenant("acme", deletionProtection="Enabled")
    async with stored_v1.as_key("platform:admin") as admin:
        for path in ("tenants/acme", "plans/pro"):
            assert (await admin.call("DELETE", f"{KUBERNETES}/{path}")).status == 403
        rows = await _denied(stored_v1)
        assert {row["actor"] for row in rows} == {(await admin.get("/v1/me")).body["name"]}
    assert [(row["action"], row["kind"], row["name"]) for row in rows] == [
        ("delete", "Plan", "pro"),
        ("delete", "Tenant", "acme"),
    ]
    assert "tenants on this plan: acme;" in rows[0]["message"]
    assert "deletionProtection is Enabled" in rows[1]["message"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"expires_at": 1}, "the credential has expired"),
        ({"revoked_at": 1}, "the API key was revoked"),
        ({"allowed_cidrs": ("192.0.2.0/24",)}, "the key does not work from this address"),
    ],
)
async def test_a_known_key_that_does_not_work_is_told_once(
    v1: Application, columns: dict[str, Any], message: str
) -> None:
    own = (await v1.tenant("acme"))["status"]["tenantID"]
    async with v1.as_key("platform:admin", tenant_id=own, **columns) as holder:
        for path in ("/v1/tenants", "/v1/plans", "/v1/me", f"{KUBERNETES}/tenants"):
            assert (await holder.get(path)).status == 401
        token = holder.session.headers["Authorization"].removeprefix("Bearer ")
    (row,) = await _denied(v1)
    _, identifier, secret, _ = token.split("_")
    assert (row["actor"], row["tenantID"], row["action"]) == (f"key:{identifier}", own, "get")
    assert (row["message"], row["ip"]) == (message, "127.0.0.1")
    assert row["requestID"]
    assert secret not in str(row)


async def test_a_credential_that_nobody_knows_writes_no_row(v1: Application) -> None:
    async with v1.as_key("platform:read") as reader:
        identifier = (await reader.get("/v1/me")).body["name"].removeprefix("key:")
    guessed, _, _ = new_token()
    body = f"tnk_{identifier}_{guessed.split('_')[2]}"
    for token in (guessed, f"{body}_{credentials._crc(body)}", "a.b.c", "nonsense"):
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(v1.server.base_url, headers=headers) as stranger:
            assert (await stranger.get("/v1/me")).status == 401
    assert await _denied(v1) == []


async def test_a_token_that_somebody_puts_into_a_path_is_kept_nowhere(v1: Application, tmp_path: Path) -> None:
    token, identifier, _ = new_token()
    secret = token.split("_")[2]
    log = tmp_path / "access.log"
    with log.open("w") as stream, closing(logs.ACCESS):
        logs.ACCESS.open(stream)
        async with v1.as_key("platform:read") as reader:
            for path in (f"/v1/keys/{token}:revoke", f"/v1/keys/{token.rpartition('_')[0]}:revoke"):
                assert secret not in str((await reader.post(path)).body)
            await reader.call("DELETE", f"{KUBERNETES}/tenants/{token}")
        assert (await v1.post(f"/v1/keys/{token}:revoke")).status == 404
    denied = await _denied(v1)
    assert len(denied) == 3
    assert secret not in str(denied)
    assert all(identifier in str(row) for row in denied)
    assert secret not in log.read_text()
    assert log.read_text().count(identifier) == 4


async def test_strangers_write_no_rows(v1: Application) -> None:
    async with aiohttp.ClientSession(v1.server.base_url) as stranger, stranger.get("/v1/tenants") as answer:
        assert answer.status == 401
    assert await _denied(v1) == []


def test_secrets_are_replaced() -> None:
    before = {"values": {"smtp": {"password": "hunter1", "host": "a"}, "apiKey": "k1", "url": "https://u:hunter1@h/"}}
    after = {"values": {"smtp": {"password": "hunter2", "host": "b"}, "db": {"clientSecret": ["hunter2"], "n": 1}}}
    text = describe(before, after)
    assert "hunter" not in text
    assert "k1" not in text
    assert REDACTED in text
    assert '{"path":"values.smtp.host","before":"a","after":"b"}' in text
    assert '{"path":"values.db","after":{"clientSecret":"[redacted]","n":1}}' in text


def test_a_row_stays_small() -> None:
    text = describe({}, {f"k{number:03}": "x" * 10_000 for number in range(MOST_CHANGES + 7)})
    assert '"more":7' in text
    assert len(text) < MOST_CHANGES * (LONGEST_VALUE + 60)


@pytest.mark.parametrize("same", [{}, {"a": [1, {"b": None}]}])
def test_nothing_changed_is_nothing_told(same: dict[str, Any]) -> None:
    assert describe(same, same) == "{}"

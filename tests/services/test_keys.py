"""API keys: who may give what, and the audit row of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tenantry.model.audit import AuditEvent
from tenantry.model.credentials import split_token
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.permissions import SCOPES, Permission
from tenantry.services.machines.keys import Keys
from tenantry.services.machines.local_admin import ACTOR
from tenantry.storage import audit
from tenantry.storage.db import Database

READER = Actor(name="key:1", permissions=SCOPES["platform:read"])


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty SQLite database."""
    database = await Database.open(f"sqlite:///{tmp_path}/test.db")
    yield database
    await database.close()


async def _audit(db: Database) -> list[AuditEvent]:
    return await db.run(audit.page)


async def test_a_key_is_made_with_an_audit_row_and_without_its_secret(db: Database) -> None:
    actor = Actor(name="boss", permissions=SCOPES["platform:admin"], request_id="r-1", ip="10.0.0.1")
    made = await Keys(db).create(actor, "ci", ["platform:read"], lifetime=3600, allowed_cidrs=["10.0.0.0/8"])
    assert split_token(made.token) == (made.key.id, made.key.secret_sha)
    assert made.key.expires_at - made.key.created_at == 3600 * 1_000_000
    assert await Keys(db).list(actor) == [made.key]
    [event] = await _audit(db)
    assert (event.actor, event.action, event.kind, event.name) == ("boss", "key.create", "ApiKey", made.key.id)
    assert (event.request_id, event.ip, event.message) == ("r-1", "10.0.0.1", "ci")
    assert made.token.split("_")[2] not in repr(event)


async def test_a_key_is_revoked_once(db: Database) -> None:
    made = await Keys(db).create(ACTOR, "ci", ["platform:read"])
    for _ in range(2):
        await Keys(db).revoke(ACTOR, made.key.id)
    [found] = await Keys(db).list(ACTOR)
    assert found.revoked_at >= found.created_at
    assert [event.action for event in await _audit(db)] == ["key.revoke", "key.create"]
    with pytest.raises(TenantryError) as caught:
        await Keys(db).revoke(ACTOR, "nothing")
    assert caught.value.code is Code.NOT_FOUND


async def test_nobody_gives_more_than_they_have(db: Database) -> None:
    writer = Actor(name="w", permissions=frozenset({Permission.KEYS_WRITE, *SCOPES["platform:read"]}))
    await Keys(db).create(writer, "ci", ["platform:read"])
    with pytest.raises(TenantryError, match=r"what you do not have yourself: .*keys:read, .*resources:write"):
        await Keys(db).create(writer, "ci", ["platform:read", "platform:admin"])
    for refused in (
        Keys(db).create(READER, "ci", ["platform:read"]),
        Keys(db).revoke(READER, "x"),
        Keys(db).list(READER),
    ):
        with pytest.raises(TenantryError) as caught:
            await refused
        assert caught.value.code is Code.FORBIDDEN
    assert len(await _audit(db)) == 1


async def test_every_wrong_field_is_named(db: Database) -> None:
    with pytest.raises(TenantryError) as caught:
        await Keys(db).create(
            ACTOR, "", ["platform:read", "x"], lifetime=-1, allowed_cidrs=["10.0.0.0/8", "10.0.0.1/8"]
        )
    assert caught.value.code is Code.INVALID
    assert [error.path for error in caught.value.fields] == ["name", "scopes[1]", "allowedCIDRs[1]", "lifetimeSeconds"]
    with pytest.raises(TenantryError) as caught:
        await Keys(db).create(ACTOR, "ci", [])
    assert [error.path for error in caught.value.fields] == ["scopes"]

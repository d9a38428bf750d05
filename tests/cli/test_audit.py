"""`tenantry audit`: all rows as JSON lines, and who tampered with one is found."""

import asyncio
from pathlib import Path

import orjson
import pytest

from tenantry.exitcodes import Exit
from tenantry.services.audit import sealing
from tenantry.storage import tables
from tenantry.storage.unit import Unit
from tests.support.application import Application
from tests.support.cli import Tenantry, beside, run
from tests.support.server import running_server


async def test_export_prints_each_row(v1: Application, tenantry: Tenantry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenantry.client.history._PAGE", 2)
    made = await v1.tenant("acme")
    await v1.tenant("beta")
    for name in ("One", "Two", "Three"):
        await v1.patch("tenants/acme", {"spec": {"displayName": f"The {name}"}})
    done = await tenantry("audit", "export")
    rows = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert rows == await v1.items("/v1/audit")
    assert len({row["id"] for row in rows}) == len(rows) >= 5
    own = [row for row in rows if row.get("tenantID") == made["status"]["tenantID"]]
    for tenant in ("acme", made["status"]["tenantID"]):
        done = await tenantry("audit", "export", "--tenant", tenant)
        assert [orjson.loads(line) for line in done.stdout.splitlines()] == own
    for tenant in ((), ("--tenant", "acme"), ("--tenant", made["status"]["tenantID"])):
        done = await tenantry("audit", "export", "--since", "2999-01-01", *tenant)
        assert (done.exit_code, done.output) == (0, "")
    done = await tenantry("audit", "export", "--tenant", "nope")
    assert (done.exit_code, done.output) == (Exit.FAILED, 'tenantry: there is no tenant or chain "nope"\n')
    assert len((await tenantry("audit", "export", "--since", "2001-01-01")).stdout.splitlines()) == len(rows)


async def test_verify_names_what_was_tampered_with(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "TICK", 0.01)
    async with running_server(tmp_path, database_url=database_url) as server, server.session() as session:
        api, tenantry = Application(session, server), beside(server)
        tenant_id = (await api.tenant("acme"))["status"]["tenantID"]
        await api.create("plans", "pro", {"displayName": "Pro"})
        async with asyncio.timeout(30):
            while "wait" in (done := await tenantry("audit", "verify", DATABASE_URL=database_url)).stdout:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert done.exit_code == 0, done.output
        lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        assert lines.keys() == {"platform", "acme"}
        assert lines["acme"].startswith("1 row is as it was sealed; ends at")
        head = lines["acme"].rpartition("ends at ")[2]
        assert head.startswith(f"{tenant_id}=1:")
        done = await tenantry("audit", "verify", "--tenant", "acme", "--head", head, DATABASE_URL=database_url)
        assert (done.exit_code, len(done.stdout.splitlines())) == (0, 1)
        done = await tenantry("audit", "verify", "--tenant", tenant_id, DATABASE_URL=database_url)
        assert (done.exit_code, done.stdout.split(":")[0]) == (0, "acme")
        done = await tenantry("audit", "verify", "--tenant", "nope", DATABASE_URL=database_url)
        assert (done.exit_code, done.output) == (Exit.FAILED, 'tenantry: there is no tenant or chain "nope"\n')
        other = f"platform=1:{'0' * 64}"
        done = await tenantry("audit", "verify", "--tenant", "acme", "--head", other, DATABASE_URL=database_url)
        assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
        assert (await tenantry("audit", "verify", "--head", other, DATABASE_URL=database_url)).exit_code == Exit.FAILED

        def tamper(unit: Unit) -> None:
            event = tables.AuditEvent
            unit.execute(event.update(actor="nobody").where(event.tenant_id == tenant_id))

        await server.services.db.run(tamper, write=True)
        done = await tenantry("audit", "verify", DATABASE_URL=database_url)
        assert done.exit_code == Exit.FAILED
        assert "acme: 0 rows are as they were sealed; TAMPERED WITH: row" in done.stdout
        assert done.stdout.count("TAMPERED") == 1


def test_verify_needs_a_key_and_a_database(tmp_path: Path) -> None:
    done = run("audit", "verify", DATA_DIR=str(tmp_path))
    assert done.exit_code == Exit.FAILED
    assert "there is no database" in done.stderr
    (tmp_path / "x.db").touch()
    settings = {"HOST": "0.0.0.0", "EXTERNAL_URL": "https://a.example", "DATABASE_URL": f"sqlite:///{tmp_path}/x.db"}  # noqa: S104
    done = run("audit", "verify", DATA_DIR=str(tmp_path), **settings)
    assert done.exit_code == Exit.WRONG_SETTING
    assert done.stderr.startswith("tenantry: TENANTRY_KEY_FILE: must be set")
    assert run("audit", "verify", "--head", "platform=0:abc", DATA_DIR=str(tmp_path)).exit_code == Exit.USAGE

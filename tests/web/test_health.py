"""The second listener: probes and metrics."""

import asyncio
import socket
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import CalledProcessError

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tenantry.model.audit_chain import Seals
from tenantry.model.errors import Code, TenantryError
from tenantry.services.encryption import Encryption
from tenantry.services.machines.local_admin import ACTOR
from tenantry.services.oauth.signing_keys import LOST, SigningKeys
from tenantry.settings import Settings
from tenantry.storage import audit_chains, schema
from tenantry.web import server as server_module
from tests.cluster.databases import DatabaseServer, MariaDB
from tests.support.application import KUBERNETES, Client
from tests.support.databases import emptied, opened
from tests.support.server import START_SECONDS, ServerInProcess, running_server

OTHER = b64encode(bytes(32)).decode()
READY = "[+]shutdown ok\n[+]background ok\n[+]database ok\n[+]signing-keys ok\nreadyz check passed\n"


async def _get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_a_ready_server_says_what_it_checked(server: ServerInProcess) -> None:
    assert await _get(f"{server.ops_url}/readyz") == (200, READY)
    assert await _get(f"{server.ops_url}/startupz") == (200, "[+]startup ok\nstartupz check passed\n")
    assert await _get(f"{server.ops_url}/livez") == (200, "[+]background ok\nlivez check passed\n")


async def test_probes_and_metrics_are_not_where_clients_are(server: ServerInProcess) -> None:
    for path in ("/metrics", "/livez", "/readyz", "/startupz"):
        async with server.session() as session, session.get(path) as answer:
            assert answer.status == 404
    assert (await _get(f"{server.ops_url}/v1/me"))[0] == 404


async def test_a_lost_database_fails_readiness_with_the_reason_and_never_liveness(
    server: ServerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise TenantryError(Code.UNAVAILABLE, "cannot reach db:3306")

    monkeypatch.setattr(server.services.db, "ready", refuse)
    status, text = await _get(f"{server.ops_url}/readyz")
    assert status == 503
    lines = text.splitlines()
    assert lines[:3] == ["[+]shutdown ok", "[+]background ok", "[-]database failed: cannot reach db:3306"]
    assert lines[3:] == ["[+]signing-keys ok", "readyz check failed"]
    monkeypatch.setattr(server.services.db, "administer", refuse)
    assert (await _get(f"{server.ops_url}/livez"))[0] == 200


async def test_a_key_that_cannot_be_read_is_told_of_and_fails_nothing(server: ServerInProcess) -> None:
    server.services.signing_keys.unreadable = {"abc": "the key in TENANTRY_KEY_FILE is another"}
    status, text = await _get(f"{server.ops_url}/readyz")
    assert status == 200
    assert "[+]signing-keys ok; key abc cannot be read: the key in TENANTRY_KEY_FILE is another\n" in text


@pytest.mark.parametrize("made", ["a signing key", "an audit chain"])
async def test_a_server_with_the_key_of_another_database_does_not_start(tmp_path: Path, made: str) -> None:
    async with running_server(tmp_path) as first:
        if made == "a signing key":
            await first.services.signing_keys.ring()
        else:
            async with asyncio.timeout(START_SECONDS):
                while not await first.services.db.run(audit_chains.some, 1):  # noqa: ASYNC110 - the server does it by itself
                    await asyncio.sleep(0.05)
        data_dir, right = first.data_dir, (first.data_dir / "encryption-key").read_text()
    key_file = tmp_path / "keys"
    # a new key goes before the one that there was
    for lines, code in (([OTHER], 503), ([OTHER, right], 200)):
        key_file.write_text("\n".join(lines))
        settings = Settings(data_dir=data_dir, port=0, tls_port=0, ops_port=0, key_file=key_file)
        async with server_module.run(settings) as running:
            if code == 200:
                await asyncio.wait_for(running.started.wait(), START_SECONDS)
            status, text = await _get(f"{running.ops_url}/readyz")
            assert (status, f"[-]signing-keys failed: {LOST}" in text) == (code, code == 503)
            assert running.started.is_set() == (code == 200)
            if code == 503:
                told = await _get(f"{running.url}/oauth/jwks")  # which makes the first key elsewhere
                assert (told[0], "TENANTRY" in told[1]) == (503, False)
                # the way out
                await running.services.signing_keys.drop_active(ACTOR)
                await asyncio.wait_for(running.started.wait(), START_SECONDS)


async def test_a_server_without_a_key_starts_all_the_same(server: ServerInProcess) -> None:
    await server.services.signing_keys.ring()
    services = server.services
    bare = SigningKeys(services.db, services.standing, Encryption([]), Seals([]), "RS256")
    await bare.check()
    with pytest.raises(TenantryError, match="TENANTRY_KEY_FILE is not set"):
        await bare.ring()


async def test_keys_that_are_lost_later_fail_nothing(server: ServerInProcess) -> None:
    services = server.services
    other = SigningKeys(services.db, services.standing, Encryption([bytes(32)]), Seals([]), "RS256")
    await other.ring()  # somebody has made it with another key
    with pytest.raises(TenantryError, match="is not the one that encrypted signing key"):
        await services.signing_keys.ring()
    status, text = await _get(f"{server.ops_url}/readyz")
    assert (status, "[+]signing-keys ok; key " in text) == (200, True)


async def test_a_server_waits_for_its_database_and_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    settings = Settings(
        data_dir=tmp_path, port=0, tls_port=0, ops_port=0, database_url=f"mysql://u:hunter2@127.0.0.1:{port}/x"
    )
    async with server_module.run(settings) as running:
        status, text = await _get(f"{running.ops_url}/readyz")
        assert status == 503
        assert "[-]database failed" in text
        assert "hunter2" not in text
        assert await _get(f"{running.ops_url}/startupz") == (
            503,
            "[-]startup failed: the server is starting\nstartupz check failed\n",
        )
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": "Bearer " + "x"}
            async with session.get(f"{running.url}/v1/me", headers=headers) as answer:
                assert answer.status == 401
        assert not running.started.is_set()
        assert not running.kubeconfig.exists()


@pytest.mark.database
async def test_a_database_without_its_schema_is_waited_for(tmp_path: Path, mariadb: MariaDB) -> None:
    mariadb.create_database("unmigrated")
    settings = Settings(data_dir=tmp_path, port=0, tls_port=0, ops_port=0, database_url=mariadb.url("unmigrated"))
    async with server_module.run(settings) as running:
        status, text = await _get(f"{running.ops_url}/readyz")
        assert status == 503
        assert "[-]database failed: its schema is at 0 and must be at " in text
        assert "run tenantry migrate" in text
        await schema.migrate(running.services.db)
        await running.started.wait()
        assert (await _get(f"{running.ops_url}/readyz"))[0] == 200
        assert running.kubeconfig.exists()


@pytest.mark.database
async def test_a_database_of_a_newer_release_is_not_ready(
    tmp_path: Path, mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    mariadb.create_database("newer")
    (tmp_path / "9901_extra.py").write_text("def up(migrator, db):\n    pass\n")
    async with opened(mariadb.url("newer")) as database:
        with monkeypatch.context() as patch:
            patch.setattr(schema, "_DIRECTORY", tmp_path)
            await schema.migrate(database)
    settings = Settings(data_dir=tmp_path / "data", port=0, tls_port=0, ops_port=0, database_url=mariadb.url("newer"))
    async with server_module.run(settings) as running:
        status, text = await _get(f"{running.ops_url}/readyz")
        assert status == 503
        assert "[-]database failed: its schema is at 9901 and this release works with " in text
        assert "start the release that migrated it\n" in text


@pytest.mark.slow
async def test_an_error_that_nobody_thought_of_fails_readiness_and_ends_no_loop(
    server: ServerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()

    async def refuse(function: Callable[..., object], *_: object, **__: object) -> None:
        asked.add(function.__name__)
        raise RuntimeError("nobody thought of this")

    services = server.services
    monkeypatch.setattr(services.db, "administer", refuse)
    status, text = await _get(f"{server.ops_url}/readyz")
    assert status == 503
    assert "[-]database failed: unexpected error; the server's log has it\n" in text
    monkeypatch.setattr(services.db, "run", refuse)
    while "poll" not in asked or asked.isdisjoint({"acquire", "take"}):  # noqa: ASYNC110 - the feed and the worker
        await asyncio.sleep(0)
    monkeypatch.undo()
    async with server.session() as session:
        await Client(session).create("plans", "pro", {"displayName": "Pro"})
        await Client(session).tenant("acme")
        path = f"{KUBERNETES}/plans/pro"
        while (plan := (await Client(session).get(path)).body)["status"]["tenants"] != 1:  # by the worker
            pass
    assert await services.feed.wait_for(int(plan["metadata"]["resourceVersion"]), 20)
    assert await _get(f"{server.ops_url}/readyz") == (200, READY)
    assert (await _get(f"{server.ops_url}/livez"))[0] == 200


async def test_a_changed_password_is_unavailable_until_it_is_changed_back(
    database_server: DatabaseServer, tmp_path: Path
) -> None:
    url = await _bounded(database_server)
    async with running_server(tmp_path, database_url=url) as server, server.session() as session:
        client, live = Client(session), f"{server.ops_url}/livez"
        _lock_out(database_server, "second")
        answers = [await client.get(f"{KUBERNETES}/plans") for _ in range(20)]
        assert {(answer.status, answer.headers["Retry-After"]) for answer in answers} == {(503, "1")}
        status, text = await _get(f"{server.ops_url}/readyz")
        assert status == 503
        assert "refuses our user or its password (error 1045): see TENANTRY_DATABASE_URL and " in text
        assert (await _get(live))[0] == 200
        _lock_out(database_server, "first")
        while (last := await client.post(f"{KUBERNETES}/plans", _plan("last"))).status != 201:
            assert last.status == 503
        assert await server.services.feed.wait_for(int(last.body["metadata"]["resourceVersion"]), 20)
        await client.tenant("acme", planRef={"name": "last"})
        while (await client.get(f"{KUBERNETES}/plans/last")).body["status"]["tenants"] != 1:  # the worker counts it
            pass
        assert (await _get(live))[0] == 200


async def test_a_user_who_may_not_connect_as_often_is_unavailable_and_no_loop_ends(
    database_server: DatabaseServer, tmp_path: Path
) -> None:
    url = await _bounded(database_server, "WITH MAX_USER_CONNECTIONS 6")
    async with running_server(tmp_path, database_url=url) as server, server.session() as session:
        client = Client(session)
        made = await asyncio.gather(*(client.post(f"{KUBERNETES}/plans", _plan(f"p-{each}")) for each in range(60)))
        answers = {(answer.status, answer.headers.get("Retry-After")) for answer in made}
        assert (503, "1") in answers
        assert answers <= {(201, None), (503, "1")}  # which needs several connections to be free in turn
        assert (await _get(f"{server.ops_url}/livez"))[0] == 200


async def _bounded(server: DatabaseServer, limit: str = "") -> str:
    """The URL of an empty database for a user of its own."""
    url = await emptied(server)
    server.sql(
        "DROP USER IF EXISTS 'bounded'@'%'; FLUSH PRIVILEGES;"
        f"CREATE USER 'bounded'@'%' IDENTIFIED BY 'first' {limit}; GRANT ALL ON *.* TO 'bounded'@'%';"
    )
    return f"mysql://bounded:first@{url.partition('@')[2]}"


def _plan(name: str) -> dict[str, object]:
    kind = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Plan"}
    return {**kind, "metadata": {"name": name}, "spec": {"displayName": name}}


def _lock_out(server: DatabaseServer, password: str) -> None:
    """Change the password of the user and end its connections."""
    server.sql(f"ALTER USER 'bounded'@'%' IDENTIFIED BY '{password}'")
    rows = server.sql("SELECT id FROM information_schema.processlist WHERE user = 'bounded'").split()
    for row in rows:
        with suppress(CalledProcessError):  # it has gone by itself
            server.sql(f"KILL {row}")


@pytest.mark.database
async def test_a_wrong_password_is_waited_for_in_one_line(
    tmp_path: Path, mariadb: MariaDB, caplog: pytest.LogCaptureFixture
) -> None:
    url = (await emptied(mariadb)).replace("tenantry-test@", "hunter2@")
    settings = Settings(data_dir=tmp_path, port=0, tls_port=0, ops_port=0, database_url=url)
    async with server_module.run(settings) as running:
        status, text = await _get(f"{running.ops_url}/readyz")
        assert status == 503
        assert "refuses our user or its password (error 1045): see TENANTRY_DATABASE_URL and " in text
        while not caplog.records:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0)
    assert {(record.levelname, record.exc_info) for record in caplog.records} == {("WARNING", None)}
    assert "hunter2" not in caplog.text + text


async def test_a_background_loop_that_dies_fails_liveness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    died = asyncio.Event()

    async def die(_: object) -> None:
        died.set()
        raise RuntimeError("died")

    monkeypatch.setattr("tenantry.services.worker.Worker.run", die)
    async with running_server(tmp_path) as server:
        await died.wait()
        assert await _get(f"{server.ops_url}/livez") == (
            503,
            "[-]background failed: background work has ended\nlivez check failed\n",
        )
        status, text = await _get(f"{server.ops_url}/readyz")
        assert status == 503
        assert "[-]background failed" in text


async def test_readiness_fails_before_the_listeners_close(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, port=0, tls_port=0, ops_port=0, drain_seconds=300)
    context = server_module.run(settings)
    running = await context.__aenter__()
    await running.started.wait()
    async with aiohttp.ClientSession() as session, session.get(f"{running.url}/v1/me") as answer:
        assert "Connection" not in answer.headers  # it is kept alive
    stopping = asyncio.create_task(context.__aexit__(None, None, None))
    try:
        found = await _get(f"{running.ops_url}/readyz")
        while found[0] == 200:
            found = await _get(f"{running.ops_url}/readyz")
        assert "[-]shutdown failed: the server is stopping" in found[1]
        async with aiohttp.ClientSession() as session, session.get(f"{running.url}/v1/me") as answer:
            assert answer.status == 401  # it still answers
            assert answer.headers["Connection"] == "close"  # and the next request goes elsewhere
    finally:
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping


@pytest.mark.slow
async def test_metrics_are_in_the_format_that_prometheus_reads(server: ServerInProcess) -> None:
    status, text = await _get(f"{server.ops_url}/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["tenantry_build_info"].samples[0].labels == {"version": "0.1.0"}
    assert {"process_resident_memory_bytes", "tenantry_http_requests", "tenantry_db_unit_duration_seconds"} <= set(
        families
    )
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with aiohttp.ClientSession() as session, session.get(f"{server.ops_url}/metrics", headers=accept) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert (await answer.text()).endswith("# EOF\n")

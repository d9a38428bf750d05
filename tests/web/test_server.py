"""The process: what it prints, how it stops, and how it says that it can't start."""

import asyncio
import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from tenantry.cli.main import main
from tenantry.datadir import DataDirectory, DataDirectoryError
from tenantry.model.permissions import Permission
from tenantry.settings import PortError, Settings
from tenantry.storage import schema
from tenantry.web import server as server_module
from tenantry.web.routes import STOPPING, Route
from tenantry.wiring import open_services
from tests.support.server import server_process


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """`tenantry` in this process, with these arguments and settings; its data is below `tmp_path`."""

    def invoke(*arguments: str, **settings: str) -> Result:
        ports = dict.fromkeys(("PORT", "TLS_PORT", "OPS_PORT"), "0")
        settings = {"DATA_DIR": str(tmp_path / "data"), "LOG_LEVEL": "error", **ports, **settings}
        return CliRunner().invoke(main, arguments, env={f"TENANTRY_{name}": value for name, value in settings.items()})

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield invoke
    root.handlers[:], root.level = handlers, level


@pytest.mark.slow  # starts a program anew
async def test_serve_prints_where_it_is_and_stops_on_sigterm(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        assert f"kubectl --kubeconfig {server.kubeconfig} get tenants" in server.output
        async with (
            aiohttp.ClientSession(headers=server.headers) as session,
            session.get(f"{server.tls_url}/v1/me", ssl=server.tls()) as answer,
        ):
            assert (await answer.json())["name"] == "local-admin"
        token = server.token
        server.process.send_signal(signal.SIGTERM)
        assert await server.process.wait() == 0
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    told = [line["message"] for line in lines if line["logger"] == "tenantry.web.server"]
    assert told == ["stopping on SIGTERM", "stopped"]
    assert lines[-1]["message"] == "stopped"
    assert [line["path"] for line in lines if line["logger"] == "tenantry.access"] == ["/v1/me"]
    assert token not in server.log.read_text() + server.output
    assert not {line["level"] for line in lines} & {"warning", "error", "critical"}


async def test_a_request_is_finished_and_a_stream_closed_before_the_end(tmp_path: Path) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        asked.set()
        await release.wait()
        return web.Response(text="done")

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first\n")
        await request.app[STOPPING].wait()
        await response.write(b"last\n")
        return response

    routes = [Route("GET", path, handler, needs=Permission.PUBLIC) for path, handler in (("/a", slow), ("/b", stream))]
    settings = Settings(data_dir=tmp_path, port=0, tls_port=0, ops_port=0)
    async with aiohttp.ClientSession() as session:
        async with server_module.run(settings, routes) as running:
            request = asyncio.create_task(session.get(f"{running.url}/a"))
            streaming = await session.get(f"{running.url}/b")
            assert await streaming.content.readline() == b"first\n"
            await asked.wait()
            asyncio.get_running_loop().call_soon(release.set)
        assert await (await request).text() == "done"
        assert await streaming.content.read() == b"last\n"
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{running.url}/a")


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["PORT", "TLS_PORT", "OPS_PORT"])
async def test_a_port_that_is_taken_is_named(tmp_path: Path, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ports = {"port": 0, "tls_port": 0, "ops_port": 0, variable.lower(): port}
        message = f"^TENANTRY_{variable}: port {port} on 127.0.0.1 is in use by another process$"
        with pytest.raises(PortError, match=message):
            async with server_module.run(Settings(data_dir=tmp_path, **ports)):
                pass


async def test_a_data_directory_has_one_server(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, port=0, tls_port=0, ops_port=0)
    async with server_module.run(settings) as first:
        await first.started.wait()
        kubeconfig = first.kubeconfig.read_text()
        with pytest.raises(DataDirectoryError, match="is in use by another server; stop that, or set "):
            async with server_module.run(settings):
                pass
        assert first.kubeconfig.read_text() == kubeconfig
    async with server_module.run(settings):
        pass


def test_what_stops_the_start_is_one_line_and_a_code(tmp_path: Path, run: Callable[..., Result]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        taken = run("serve", PORT=port)
    assert (taken.exit_code, taken.stdout) == (69, "")
    assert taken.stderr == f"tenantry: TENANTRY_PORT: port {port} on 127.0.0.1 is in use by another process\n"
    unusable = run("serve", DATA_DIR="/dev/null/x")
    assert (unusable.exit_code, unusable.stdout) == (73, "")
    assert unusable.stderr == "tenantry: cannot write to the data directory /dev/null/x: Not a directory\n"
    unreadable = run("serve", DATABASE_URL="sqlite:////dev/null/x")
    assert (unreadable.exit_code, unreadable.stdout) == (69, "")
    assert unreadable.stderr.startswith("tenantry: ")
    assert unreadable.stderr.count("\n") == 1
    no_name = run("serve", DATABASE_URL="mysql://u:s3cr3t@db:3306/")
    assert (no_name.exit_code, no_name.stdout) == (78, "")
    assert no_name.stderr == (
        "tenantry: TENANTRY_DATABASE_URL: must be mysql://user:password@host:3306/database or sqlite:///path, with "
        "what is special in the user and the password percent-encoded, and no option but ?ssl-ca=FILE\n"
    )
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database" * 100)
    no_database = run("serve", DATABASE_URL=f"sqlite:///{garbage}")
    assert (no_database.exit_code, no_database.stdout) == (69, "")
    assert no_database.stderr == f"tenantry: {garbage}: file is not a database\n"


def test_an_unusable_file_that_a_setting_names_is_one_line(tmp_path: Path, run: Callable[..., Result]) -> None:
    text, binary = tmp_path / "text", tmp_path / "binary"
    text.write_text("no PEM")
    binary.write_bytes(b"\xff\xfe")
    url = "mysql://u@127.0.0.1:1/x"
    lines = {
        f"TENANTRY_DATABASE_PASSWORD_FILE: cannot read {tmp_path}/none: No such file or directory": run(
            "serve", DATABASE_URL=url, DATABASE_PASSWORD_FILE=f"{tmp_path}/none"
        ),
        f"TENANTRY_DATABASE_PASSWORD_FILE: cannot read {tmp_path}: Is a directory": run(
            "serve", DATABASE_URL=url, DATABASE_PASSWORD_FILE=f"{tmp_path}"
        ),
        f"TENANTRY_DATABASE_PASSWORD_FILE: {binary} holds no text in UTF-8": run(
            "serve", DATABASE_URL=url, DATABASE_PASSWORD_FILE=f"{binary}"
        ),
        f"TENANTRY_TLS_CERT_FILE: {text} and {text} are no certificate and its key, as PEM": run(
            "serve", TLS_CERT_FILE=f"{text}", TLS_KEY_FILE=f"{text}"
        ),
    }
    assert {line: (result.exit_code, result.stderr) for line, result in lines.items()} == {
        line: (78, f"tenantry: {line}\n") for line in lines
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lock", "ca.crt", "tls.key"])
def test_an_unusable_file_of_the_data_directory_is_one_line(
    tmp_path: Path, run: Callable[..., Result], name: str
) -> None:
    path = tmp_path / "data" / name
    path.mkdir(parents=True)
    result = run("serve")
    assert (result.exit_code, result.stderr) == (73, f"tenantry: cannot use {path}: Is a directory\n")


async def test_a_start_that_cannot_write_its_key_waits_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocker = tmp_path / "admin-token"
    blocker.mkdir()
    async with server_module.run(Settings(data_dir=tmp_path, port=0, tls_port=0, ops_port=0)) as running:
        while not caplog.records:  # noqa: ASYNC110 - the server's, at its next try
            await asyncio.sleep(0.01)
        assert caplog.messages == [f"waiting for the data directory: cannot use {blocker}: Is a directory"]
        async with aiohttp.ClientSession() as session, session.get(f"{running.ops_url}/startupz") as answer:
            assert answer.status == 503
        blocker.rmdir()
        await running.started.wait()


def test_a_new_data_directory_is_hidden_from_git_and_an_old_one_left_as_it_is(tmp_path: Path) -> None:
    DataDirectory(tmp_path).open()
    assert list(tmp_path.iterdir()) == []
    new = tmp_path / "new"
    for _ in range(2):
        DataDirectory(new).open()
        assert (new / ".gitignore").read_text() == "*\n"
    (new / ".gitignore").unlink()
    DataDirectory(new).open()
    assert list(new.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryError, match="File exists"):
        DataDirectory(tmp_path / "file").open()


def test_an_unreachable_database_ends_a_migration_in_one_line(run: Callable[..., Result]) -> None:
    result = run("migrate", DATABASE_URL="mysql://u:s3cr3t@127.0.0.1:1/x")
    assert result.exit_code == 69
    assert result.stderr == "tenantry: the database at 127.0.0.1:1 cannot be reached: Connection refused (error 2003)\n"


def test_a_database_of_a_newer_release_is_one_line(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "9901_extra.py").write_text("def up(migrator, db):\n    pass\n")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_DIRECTORY", tmp_path)
        assert run("migrate").exit_code == 0
    for command in ("serve", "migrate"):
        result = run(command)
        assert result.exit_code == 69
        assert result.stderr.startswith("tenantry: the database is too new: its schema is at 9901 and this release ")
        assert result.stderr.count("\n") == 1


def test_keys_are_made_listed_and_revoked_by_whoever_has_the_database(
    tmp_path: Path, run: Callable[..., Result]
) -> None:
    assert "the schema is at" in run("migrate").stdout
    token = run("admin", "key", "create", "ci", "--scope", "platform:read", "--days", "1").stdout.strip()
    assert asyncio.run(_scopes(tmp_path, token)) == {"platform:read"}
    identifier = token.split("_")[1]
    listed = run("admin", "key", "list").stdout
    assert f"\n{identifier}   expires " in listed
    assert token not in listed
    assert run("admin", "key", "revoke", identifier).stdout == f"revoked {identifier} (ci)\n"
    assert f"{identifier}   revoked" in run("admin", "key", "list").stdout
    unknown = run("admin", "key", "revoke", "nothing")
    assert unknown.exit_code == 1
    assert unknown.stderr == 'tenantry: there is no API key "nothing"\n'


async def _scopes(tmp_path: Path, token: str) -> frozenset[str]:
    async with open_services(Settings(data_dir=tmp_path / "data")) as services:
        return (await services.authenticator.authenticate(token, "127.0.0.1")).scopes


@pytest.mark.slow  # starts a program anew
def test_serve_loads_nothing_that_it_does_not_need() -> None:
    script = "import sys, tenantry.cli.main, tenantry.cli.serve; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "aiohttp" in loaded
    assert not loaded & {"rich", "kopf", "tenantry_operator", "kubernetes", "pytest"}


@pytest.mark.parametrize(
    ("listening", "shown"),
    [
        ("http://0.0.0.0:8080", "http://localhost:8080"),
        ("http://[::]:9090", "http://localhost:9090"),
        ("https://127.0.0.1:8443", "https://localhost:8443"),
        ("https://[::1]:8443", "https://localhost:8443"),
        ("https://10.127.0.0:8443", "https://10.127.0.0:8443"),
    ],
)
def test_what_is_printed_can_be_opened(listening: str, shown: str) -> None:
    assert server_module._to_open(listening) == shown

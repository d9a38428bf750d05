"""The link for the first administrator that `tenantry serve` shows to a terminal, and to nothing else."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tenantry.settings import Settings
from tenantry.web import server as server_module
from tests.support.cli import run
from tests.support.people import add_user
from tests.support.server import running_server, server_process

pytestmark = pytest.mark.slow  # each starts a program anew


async def read_terminal(terminal: int, until: str) -> str:
    """What was printed to a terminal until that text came."""
    text = ""
    async with asyncio.timeout(30):
        while until not in text:
            text += (await asyncio.to_thread(os.read, terminal, 4096)).decode()
    return text.replace("\r\n", "\n")


async def test_a_terminal_shows_it_once_and_the_log_never(tmp_path: Path) -> None:
    terminal, inner = os.openpty()
    settings = {"DATA_DIR": str(tmp_path / "data"), "PORT": "0", "TLS_PORT": "0", "OPS_PORT": "0", "LOG_LEVEL": "debug"}
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tenantry", "serve"),
            env={**os.environ, **{f"TENANTRY_{name}": value for name, value in settings.items()}},
            stdin=inner,
            stdout=inner,
            stderr=log,
        )
        os.close(inner)
        try:
            shown = await read_terminal(terminal, "get tenants")
            assert "setup-link" not in shown
            (url,) = re.findall(r"http://localhost:\d+/setup/tnl_\S+", shown)
            async with (
                aiohttp.ClientSession() as session,
                session.get(url.replace("localhost", "127.0.0.1")) as answer,
            ):
                assert answer.status == 200
                assert "first administrator" in await answer.text()
        finally:
            process.terminate()
            await process.wait()
            os.close(terminal)
    secret = url.split("_")[2]
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}  # noqa: ASYNC240
    assert [path for path, content in kept.items() if secret.encode() in content] == []
    assert b"/setup/tnl_" in kept[tmp_path / "log"]  # the request, with its secret left out


async def test_links_of_other_processes_lead_to_the_port_that_the_server_has(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        assert f"  Sign in  {server.base_url}/login\n" in server.output
        assert server.base_url.startswith("http://localhost:")
        assert server.tls_url.startswith("https://localhost:")
        environment = {"DATA_DIR": str(server.data_dir)}
        made = await asyncio.to_thread(run, "admin", "setup-link", **environment)
        assert made.stdout.startswith(f"{server.base_url}/setup/tnl_")
        elsewhere = {**environment, "EXTERNAL_URL": "https://tenantry.example.com"}
        made = await asyncio.to_thread(run, "admin", "setup-link", **elsewhere)
        assert made.stdout.startswith("https://tenantry.example.com/setup/tnl_")
        listed = await asyncio.to_thread(run, "get", "plans", "--server", server.tls_url, **environment)
        assert listed.exit_code == 0  # by the kubeconfig, whose name for loopback is another


async def test_a_pipe_gets_no_link_and_is_told_where_one_is(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        assert "/setup/" not in server.output
        assert "There is no account yet." in server.output
        (command,) = re.findall(r"^  (.* setup-link)$", server.output, re.MULTILINE)
        made = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
        assert (await made.communicate())[0].startswith(f"{server.base_url}/setup/tnl_".encode())


@pytest.mark.parametrize(
    ("settings", "argument", "command"),
    [
        ({}, ".venv/bin/tenantry", ".venv/bin/tenantry"),
        ({"data_dir": Path("my data")}, ".venv/bin/tenantry", "TENANTRY_DATA_DIR='my data' .venv/bin/tenantry"),
        ({"host": "192.0.2.1", "external_url": "https://t.example.com"}, "/bin/tenantry", "tenantry"),
    ],
)
def test_the_command_of_the_link_is_one_to_paste(
    settings: dict[str, Any], argument: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [argument, "serve"])
    assert server_module.as_here(Settings(**settings)) == command


def test_a_program_that_the_shell_finds_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tenantry"
    program.touch(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(program), "serve"])
    assert server_module.as_here(Settings()) == "tenantry"


async def test_nobody_is_told_how_to_be_the_first_once_there_is_one(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        await add_user(server)
    async with server_process(tmp_path) as process:
        assert "setup-link" not in process.output

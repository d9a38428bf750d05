"""The command line as a whole: its help, and what it loads."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from tenantry.cli.main import COMMANDS, main
from tests.support.cli import run

NAMES = [name for commands in COMMANDS.values() for name in commands]
#: what no command needs that does not use it
HEAVY = {"rich", "kopf", "yaml", "aiohttp", "peewee", "pydantic", "tenantry.client", "tenantry.web", "tenantry.model"}


def loaded_by(statement: str) -> set[str]:
    """Every module and package that is loaded after a statement in a fresh interpreter."""
    script = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def commands(group: click.Command, path: str = "") -> list[tuple[str, click.Command]]:
    """Every command with its path, groups included."""
    found = [(path, group)] if path else []
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            found += commands(command, f"{path} {name}".strip())
    return found


def test_a_command_is_loaded_when_it_is_called() -> None:
    assert loaded_by("import tenantry.cli.main") & HEAVY == set()


@pytest.mark.slow  # starts a program anew
def test_serve_loads_neither_the_client_nor_what_draws() -> None:
    loaded = loaded_by("import tenantry.cli.serve")
    assert "tenantry.web.server" in loaded
    assert loaded & {"rich", "kopf", "tenantry.client", "tenantry_operator"} == set()


@pytest.mark.slow
@pytest.mark.parametrize("module", ["explain", "validate", "completion", "version"])
def test_what_needs_no_server_loads_no_client(module: str) -> None:
    loaded = loaded_by(f"import tenantry.cli.{module}")
    assert loaded & {"rich", "kopf", "aiohttp", "peewee", "tenantry.client"} == set()


def test_help_lists_every_command() -> None:
    shown = run("--help").stdout
    assert [name for name in NAMES if f"\n  {name} " not in shown] == []


@pytest.mark.parametrize(("path", "command"), commands(main), ids=[path for path, _ in commands(main)])
def test_a_command_says_what_it_does(path: str, command: click.Command) -> None:
    shown = run(*path.split(), "--help")
    assert shown.exit_code == 0
    assert command.help
    assert command.get_short_help_str(1000).endswith((".", ":"))
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == []
    if not isinstance(command, click.Group) and command.params:
        assert f"tenantry {path}" in command.help, "an example"


def test_no_summary_is_cut_off() -> None:
    assert [line for line in run("--help").stdout.splitlines()[1:] if line.endswith("...")] == []


def test_a_misspelt_command_is_told_of() -> None:
    refused = run("aply")
    assert refused.exit_code == 2
    assert refused.stderr.endswith("Error: No such command 'aply'. Did you mean 'apply'?\n")


@pytest.mark.slow  # starts a program anew
@pytest.mark.parametrize("arguments", [["--help"], ["explain", "config", "--recursive"]], ids=" ".join)
def test_a_full_disk_is_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "tenantry", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 74
    assert done.stderr == "tenantry: cannot write to standard output: No space left on device\n"


def test_a_reader_that_has_enough_is_no_mistake() -> None:
    command = [sys.executable, "-m", "tenantry", "explain", "config", "--recursive"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_python_m_tenantry_is_the_same() -> None:
    done = subprocess.run([sys.executable, "-m", "tenantry", "version"], capture_output=True, text=True, check=True)
    assert done.stdout == run("version").stdout == run("--version").stdout

"""Shell completion: scripts that shells take, and what is offered."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from tenantry.cli.main import main
from tests.support.cli import Tenantry, run
from tests.support.server import ServerInProcess
from tests.worktree import ROOT


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_asks_the_program(shell: str) -> None:
    script = run("completion", shell).stdout
    assert f"_TENANTRY_COMPLETE={shell}_complete" in script


def test_bash_takes_its_script() -> None:
    command = ["bash", "-c", "source /dev/stdin; complete -p tenantry"]
    script = run("completion", "bash").stdout
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def offered(*words: str, begun: str = "") -> list[str]:
    completing = ShellComplete(main, {}, "tenantry", "_TENANTRY_COMPLETE")
    return [item.value for item in completing.get_completions(list(words), begun)]


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [
        ([], "ex", ["explain", "export"]),
        (["get"], "", ["plans", "tenants", "configs"]),
        (["get"], "t", ["tenants"]),
        (["get", "tenants"], "--sel", ["--selector"]),
        (["explain"], "pl", ["plans"]),
        (["explain"], "tenant.spec.net", ["tenant.spec.network"]),
        (["explain"], "tenant.spec.pl", ["tenant.spec.planRef"]),
        (["explain"], "tenant.spec.planRef.", ["tenant.spec.planRef.name"]),
        (["explain"], "nothing.spec", []),
        (["completion"], "z", ["zsh"]),
    ],
)
def test_what_may_follow_is_offered(words: list[str], begun: str, expected: list[str]) -> None:
    assert offered(*words, begun=begun) == expected


async def test_names_of_objects_are_offered(
    tenantry: Tenantry, server: ServerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tenantry("apply", "-f", str(ROOT / "k8s/samples"))
    monkeypatch.setenv("TENANTRY_DATA_DIR", str(server.data_dir))
    assert await asyncio.to_thread(offered, "describe", "tenant") == ["acme", "globex"]
    assert await asyncio.to_thread(offered, "delete", "plans", "pro", begun="s") == ["starter"]
    assert await asyncio.to_thread(offered, "get", "configs", begun="web-") == ["web-acme", "web-pro"]
    assert await asyncio.to_thread(offered, "undelete") == []
    await tenantry("delete", "tenant", "acme", "globex")
    assert await asyncio.to_thread(offered, "undelete", begun="g") == ["globex"]


def test_keys_that_can_be_revoked_are_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TENANTRY_DATA_DIR", str(tmp_path))
    assert offered("admin", "key", "revoke") == []
    run("migrate")
    first, second = (run("admin", "key", "create", name).stdout.split("_")[1] for name in ("first", "second"))
    assert sorted(offered("admin", "key", "revoke")) == sorted([first, second])
    run("admin", "key", "revoke", first)
    assert offered("admin", "key", "revoke") == [second]


def test_without_a_server_nothing_is_offered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TENANTRY_DATA_DIR", str(tmp_path))
    assert offered("describe", "tenant") == []
    monkeypatch.setenv("TENANTRY_SERVER", "http://127.0.0.1:1")
    monkeypatch.setenv("TENANTRY_TOKEN", "x")
    assert offered("describe", "tenant") == []
    assert capfd.readouterr() == ("", "")

"""`tenantry apply`: what becomes of each document, whatever is wrong with the others."""

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tenantry.services.machines.local_admin import ACTOR
from tests.support.cli import Tenantry
from tests.support.server import RunningServer, ServerInProcess, server_process
from tests.worktree import ROOT

SAMPLES = str(ROOT / "k8s/samples")
PLAN = """
apiVersion: tenantry.dev/v1alpha1
kind: Plan
metadata: {name: gold}
spec: {displayName: Gold}
"""
TENANT = """
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: initech}
spec: {displayName: Initech, planRef: {name: gold}}
"""


@pytest.mark.slow
async def test_a_directory_is_applied_and_then_unchanged(tenantry: Tenantry) -> None:
    first = await tenantry("apply", "-f", SAMPLES)
    assert first.exit_code == 0, first.output
    assert "tenant.tenantry.dev/acme created\n" in first.stdout
    assert first.stdout.endswith("\n8 created, 0 configured, 0 unchanged, 0 failed\n")
    second = await tenantry("apply", "-f", SAMPLES)
    assert second.exit_code == 0
    assert second.stdout.endswith("\n0 created, 0 configured, 8 unchanged, 0 failed\n")


async def test_plans_come_first_whatever_the_order(tenantry: Tenantry) -> None:
    applied = await tenantry("apply", "-f", "-", given=f"{TENANT}---{PLAN}")
    assert applied.stdout.splitlines() == [
        "plan.tenantry.dev/gold created",
        "tenant.tenantry.dev/initech created",
        "2 created, 0 configured, 0 unchanged, 0 failed",
    ]


async def test_what_differs_is_configured(tenantry: Tenantry) -> None:
    await tenantry("apply", "-f", "-", given=PLAN)
    changed = await tenantry("apply", "-f", "-", given=PLAN.replace("Gold", "Golden"))
    assert changed.stdout.splitlines()[0] == "plan.tenantry.dev/gold configured"
    assert "displayName: Golden" in (await tenantry("get", "plan", "gold", "-o", "yaml")).stdout


async def test_what_somebody_else_made_the_same_is_unchanged(tenantry: Tenantry, server: ServerInProcess) -> None:
    async with server.session() as session:
        body = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Plan", "metadata": {"name": "gold"}}
        path = "/apis/tenantry.dev/v1alpha1/plans?fieldManager=somebody"
        async with session.post(path, json=body | {"spec": {"displayName": "Gold"}}) as answer:
            assert answer.status == 201
    applied = await tenantry("apply", "-f", "-", given=PLAN)
    assert applied.stdout.splitlines()[0] == "plan.tenantry.dev/gold unchanged"


async def test_what_is_wrong_stops_nothing_else(tenantry: Tenantry, tmp_path: Path) -> None:
    (tmp_path / "1-broken.yaml").write_text("a: [1\n")
    (tmp_path / "2-wrong.yaml").write_text(PLAN + "---" + TENANT.replace("{name: gold}", "{name: Gold}"))
    (tmp_path / "3-unknown.yml").write_text(PLAN.replace("displayName", "dispalyName").replace("gold", "tin"))
    (tmp_path / "4-foreign.json").write_text('{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}')
    (tmp_path / "5-good.yaml").write_text(TENANT.replace("initech", "hooli"))
    (tmp_path / "6-nameless.yaml").write_text(PLAN.replace("{name: gold}", "{}"))
    (tmp_path / "notes.txt").write_text("not read")
    applied = await tenantry("apply", "-f", str(tmp_path), "-f", str(tmp_path / "missing.yaml"))
    assert applied.exit_code == 1
    assert applied.stdout.splitlines() == [
        "plan.tenantry.dev/gold created",
        "tenant.tenantry.dev/hooli created",
        "2 created, 0 configured, 0 unchanged, 6 failed",
    ]
    begins = [
        "1-broken.yaml: it is not valid YAML: ",
        '2-wrong.yaml:spec.planRef.name: Invalid value: "Gold": ',
        "3-unknown.yml:spec.dispalyName: unknown field: ",
        "3-unknown.yml:spec.displayName: Required value",
        '4-foreign.json:apiVersion: Unsupported value: "v1": ',
        "6-nameless.yaml:metadata.name: Required value: ",
        "missing.yaml: No such file or directory",
    ]
    complaints = sorted(applied.stderr.replace(f"{tmp_path}/", "").splitlines())
    assert [line for line, begin in zip(complaints, begins, strict=True) if not line.startswith(begin)] == []
    assert complaints[1].endswith("(line 10)")


async def test_a_wrong_document_stops_no_other_of_its_file(tenantry: Tenantry, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    wrong = PLAN.replace("Gold", "on").replace("gold", "tin")
    broken = PLAN.replace("{name: gold}", "{name: lead")
    file.write_text("---".join([PLAN, wrong, TENANT, broken, PLAN.replace("gold", "iron"), "# no document\n"]))
    applied = await tenantry("apply", "-f", str(file))
    assert applied.exit_code == 1
    assert applied.stdout.splitlines() == [
        "plan.tenantry.dev/gold created",
        "tenant.tenantry.dev/initech created",
        "2 created, 0 configured, 0 unchanged, 3 failed",
    ]
    ambiguous, syntax, unread = applied.stderr.replace(str(file), "all.yaml").splitlines()
    assert ambiguous.startswith("all.yaml: on is a boolean to some readers of YAML")
    assert ambiguous.endswith(" (line 10)")
    assert syntax.startswith("all.yaml: it is not valid YAML: ")
    assert syntax.endswith(" (line 20)")
    assert unread == "all.yaml: it was not read: what is wrong above must be mended first (line 22)"
    checked = await tenantry("validate", "-f", str(file))
    assert (checked.exit_code, checked.stderr) == (1, "2 valid, 3 wrong\n")
    assert sorted(checked.stdout.splitlines()) == sorted(applied.stderr.splitlines())


async def test_what_is_wrong_is_said_as_validate_says_it(tenantry: Tenantry) -> None:
    text = PLAN.replace("Gold", "5").replace("gold", "Bad_Name")
    applied = await tenantry("apply", "-f", "-", given=text)
    assert (applied.exit_code, applied.stdout) == (1, "0 created, 0 configured, 0 unchanged, 1 failed\n")
    assert applied.stderr == (await tenantry("validate", "-f", "-", given=text)).stdout != ""


async def test_what_became_of_each_is_told_in_the_order_of_the_files(tenantry: Tenantry) -> None:
    names = [f"plan-{number}" for number in range(40, 0, -1)]
    applied = await tenantry("apply", "-f", "-", given="---".join(PLAN.replace("gold", name) for name in names))
    assert applied.stdout.splitlines()[:-1] == [f"plan.tenantry.dev/{name} created" for name in names]


async def test_what_is_not_allowed_is_77_unless_something_was(tenantry: Tenantry, server: ServerInProcess) -> None:
    await tenantry("apply", "-f", "-", given=PLAN)
    made = await server.services.keys.create(ACTOR, "reader", ["platform:read"])
    refused = await tenantry("apply", "-f", "-", given=f"{PLAN}---{TENANT}", TOKEN=made.token)
    assert (refused.exit_code, refused.stdout) == (77, "0 created, 0 configured, 0 unchanged, 2 failed\n")
    mixed = await tenantry("apply", "-f", "-", given=f"{PLAN}---{TENANT.replace('initech', 'Bad')}", TOKEN=made.token)
    assert mixed.exit_code == 1
    assert (await tenantry("delete", "plan", "gold", TOKEN=made.token)).exit_code == 77
    assert (await tenantry("delete", "plan", "gold", "tin", TOKEN=made.token)).exit_code == 77


async def test_a_file_of_one_object_twice_is_told_of(tenantry: Tenantry) -> None:
    applied = await tenantry("apply", "-f", "-", given=f"{PLAN}---{PLAN}")
    assert applied.exit_code == 1
    assert applied.stderr == '<stdin>: plan "gold" stands in <stdin>, line 2 already: remove one (line 7)\n'


async def test_a_list_is_what_is_in_it(tenantry: Tenantry) -> None:
    await tenantry("apply", "-f", SAMPLES)
    listed = (await tenantry("get", "plans", "-o", "yaml")).stdout
    assert listed.startswith("apiVersion: v1\nkind: List\n")
    checked = await tenantry("validate", "-f", "-", given=listed)
    assert checked.stderr == "3 valid, 0 wrong\n", checked.stdout


async def test_a_deleted_tenant_that_is_applied_again_is_brought_back(tenantry: Tenantry) -> None:
    await tenantry("apply", "-f", SAMPLES)
    await tenantry("delete", "tenant", "acme")
    for options, mark in ((["--dry-run"], " (dry run)"), ([], "")):
        applied = await tenantry("apply", "-f", SAMPLES, *options)
        assert f"tenant.tenantry.dev/acme brought back{mark}\n" in applied.stdout
        assert applied.stdout.splitlines()[-1].startswith("0 created, 1 brought back, 0 configured, ")


async def test_a_dry_run_stores_nothing(tenantry: Tenantry) -> None:
    applied = await tenantry("apply", "--dry-run", "-f", "-", given=PLAN)
    assert applied.stdout.splitlines()[0] == "plan.tenantry.dev/gold created (dry run)"
    assert (await tenantry("get", "plans")).stdout == ""


async def test_fields_of_others_are_taken_over_by_force_only(tenantry: Tenantry, server: ServerInProcess) -> None:
    await tenantry("apply", "-f", "-", given=PLAN)
    async with server.session() as session:
        path = "/apis/tenantry.dev/v1alpha1/plans/gold?fieldManager=somebody"
        body = {"spec": {"displayName": "Theirs"}}
        async with session.patch(path, json=body, headers={"Content-Type": "application/merge-patch+json"}) as answer:
            assert answer.status == 200
    refused = await tenantry("apply", "-f", "-", given=PLAN)
    assert refused.exit_code == 1
    assert refused.stderr.startswith('<stdin>:spec.displayName: conflict with "somebody"')
    assert "--force-conflicts takes the field over (line 5)" in refused.stderr
    forced = await tenantry("apply", "--force-conflicts", "-f", "-", given=PLAN)
    assert forced.stdout.splitlines()[0] == "plan.tenantry.dev/gold configured"


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "\n", "# nothing here\n", "---\n---\n"])
@pytest.mark.parametrize("command", ["apply", "validate", "delete"])
async def test_no_document_is_a_failure(tenantry: Tenantry, command: str, text: str) -> None:
    result = await tenantry(command, "-f", "-", given=text)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "tenantry: no documents in <stdin>\n")


MANY = 3000


@asynccontextmanager
async def applying(server: RunningServer, tmp_path: Path) -> AsyncIterator[Process]:
    """`tenantry apply` of many plans, the first of which is there."""
    file = tmp_path / "plans.yaml"
    file.write_text("---".join(PLAN.replace("gold", f"plan-{number}") for number in range(MANY)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tenantry", "apply", "-f", str(file),
        env={**os.environ, "TENANTRY_DATA_DIR": str(server.data_dir)}, stdout=PIPE, stderr=PIPE,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell ignores it for what it puts aside
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"plan.tenantry.dev/plan-0 created\n"
    yield process


def counts(output: bytes) -> dict[str, int]:
    """What a summary counts; it is the last line."""
    return {what: int(number) for number, what in re.findall(r"(\d+) ([a-z ]+)", output.decode().splitlines()[-1])}


@pytest.mark.slow  # starts a program anew
async def test_ctrl_c_tells_what_was_done_and_what_was_not(
    tenantry: Tenantry, server: ServerInProcess, tmp_path: Path
) -> None:
    async with applying(server, tmp_path) as process:
        process.send_signal(signal.SIGINT)
        output, errors = await process.communicate()
    assert (process.returncode, errors) == (130, b"tenantry: interrupted\n")
    told = counts(output)
    assert told["not tried"] > 0
    assert told["created"] + told["not tried"] == sum(told.values()) == MANY
    assert output.count(b" created\n") == told["created"] - 1
    assert (await tenantry("get", "plans", "-o", "name")).stdout.count("\n") == told["created"]


@pytest.mark.slow  # starts a program anew
async def test_a_server_that_is_lost_is_not_asked_for_the_rest(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, applying(server, tmp_path) as process:
        server.process.kill()
        output, errors = await process.communicate()
    assert process.returncode == 69
    told = counts(output)
    assert told["not tried"] > 0
    assert sum(told.values()) == MANY
    assert b" cannot be reached: " in errors
    assert 0 < told["failed"] == errors.count(b"\n") <= 16


def on_a_terminal(*arguments: str, data_dir: Path) -> str:
    """What `tenantry` shows on a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TENANTRY_DATA_DIR": str(data_dir), "TERM": "xterm"}
    command = [sys.executable, "-m", "tenantry", *arguments]
    shown = b""
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # the other side is closed
            pass
        finally:
            os.close(ours)
        assert process.wait() == 1
    return shown.decode()


@pytest.mark.slow  # starts a program anew
async def test_a_bar_is_for_terminals_only(tenantry: Tenantry, server: ServerInProcess, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(PLAN.replace("displayName", "colour"))
    arguments = ["apply", "-f", SAMPLES, "-f", str(tmp_path / "wrong.yaml")]
    shown = await asyncio.to_thread(on_a_terminal, *arguments, data_dir=server.data_dir)
    assert "9/9" in shown
    assert "tenant.tenantry.dev/acme created" in shown
    assert f"\x1b[31m{tmp_path}/wrong.yaml:spec.colour: " in shown
    assert shown.endswith("8 created, 0 configured, 0 unchanged, 1 failed\r\n")
    plain = await tenantry(*arguments)
    assert "\x1b" not in plain.output
    assert "9/9" not in plain.output

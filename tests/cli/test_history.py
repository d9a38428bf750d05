"""`tenantry history`, `diff`, `rollback`, `undelete` and `explain tenant`: what was, the way back, and why."""

import re

import pytest
import yaml

from tenantry.model import kinds
from tenantry.model.identity import Actor
from tenantry.model.kinds import Address
from tenantry.services.resources.crud import Options
from tests.support.cli import Tenantry
from tests.support.people import add_user
from tests.support.server import ServerInProcess

PLAN = "{apiVersion: tenantry.dev/v1alpha1, kind: Plan, metadata: {name: gold}, spec: {displayName: %s}}\n"
TENANT = """
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: acme}
spec:
  displayName: Acme
  planRef: {name: gold}
  namespaces: [{name: prod}]
"""


@pytest.fixture
async def edited(tenantry: Tenantry) -> Tenantry:
    """`tenantry` beside a server with a plan of three revisions."""
    for name in ("Gold", "Golden", "Gilded"):
        assert (await tenantry("apply", "-f", "-", given=PLAN % name)).exit_code == 0
    return tenantry


async def revisions(tenantry: Tenantry) -> list[list[str]]:
    lines = (await tenantry("history", "plan", "gold")).stdout.splitlines()
    assert lines[0].split() == ["REVISION", "GENERATION", "CREATED", "AUTHOR", "MESSAGE"]
    return [line.split(maxsplit=4) for line in lines[1:]]


async def test_history_lists_revisions_newest_first(edited: Tenantry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenantry.client.history._PAGE", 2)
    assert [line[0] for line in await revisions(edited)] == ["3", "2", "1"]
    assert {line[3] for line in await revisions(edited)} == {"local-admin"}
    shown = yaml.safe_load((await edited("history", "plan/gold", "--revision", "2")).stdout)
    assert shown["spec"]["displayName"] == "Golden"


async def test_people_are_named_by_their_address(tenantry: Tenantry, server: ServerInProcess) -> None:
    ada = await add_user(server)
    at, document = Address(kinds.PLAN, "", "gold"), yaml.safe_load(PLAN % "Gold")
    await server.services.resources.create(Actor(name=f"user:{ada.id}"), at, document, Options())
    assert [line[3] for line in await revisions(tenantry)] == [ada.email]


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [([], "Golden", "Gilded"), (["--from", "1"], "Gold", "Gilded"), (["--to", "2"], "Gold", "Golden")],
)
async def test_diff_shows_what_changed(edited: Tenantry, options: list[str], before: str, after: str) -> None:
    lines = (await edited("diff", "plan", "gold", *options)).stdout.splitlines()
    assert lines[2:] == ["  spec.displayName", f"-   {before}", f"+   {after}"]


async def test_what_is_new_and_what_is_gone_is_shown_whole(tenantry: Tenantry) -> None:
    await tenantry("apply", "-f", "-", given=TENANT)
    await tenantry("apply", "-f", "-", given=TENANT.replace("{name: prod}", "{name: dev, labels: {a: b}}"))
    lines = (await tenantry("diff", "tenant", "acme")).stdout.splitlines()
    assert lines[:2] == ["--- tenant.tenantry.dev/acme revision 1", "+++ tenant.tenantry.dev/acme revision 2"]
    assert "-   name: prod" in lines
    assert "+     a: b" in lines


async def test_a_single_revision_differs_from_nothing(tenantry: Tenantry) -> None:
    await tenantry("apply", "-f", "-", given=TENANT)
    shown = await tenantry("diff", "tenant", "acme")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert shown.stderr == "No difference: revision 1 is the first, and the only one.\n"


async def test_the_first_of_several_differs_from_nothing(edited: Tenantry) -> None:
    shown = await edited("diff", "plan", "gold", "--to", "1")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "No difference: revision 1 is the first.\n")


async def test_a_rollback_is_a_new_revision(edited: Tenantry) -> None:
    rolled = await edited("rollback", "plan", "gold", "--to", "1", "-m", "gilding wears off")
    assert rolled.stdout == "plan.tenantry.dev/gold rolled back to revision 1\n"
    newest = (await revisions(edited))[0]
    assert (newest[0], newest[4]) == ("4", "gilding wears off")
    assert "displayName: Gold\n" in (await edited("get", "plan", "gold", "-o", "yaml")).stdout
    again = await edited("rollback", "plan", "gold", "--to", "1")
    assert again.stdout == "plan.tenantry.dev/gold unchanged: it has the spec of revision 1\n"
    assert len(await revisions(edited)) == 4


async def test_a_rollback_that_ends_or_begins_a_suspension_says_so(tenantry: Tenantry) -> None:
    suspended = f"{TENANT}  state: Suspended\n  suspension: {{mode: ReadOnly, reason: unpaid}}\n"
    for document in (TENANT, suspended, suspended.replace("Acme", "Acme GmbH")):
        await tenantry("apply", "-f", "-", given=document)
    assert (await tenantry("rollback", "tenant", "acme", "--to", "2")).stderr == ""
    ended = await tenantry("rollback", "tenant", "acme", "--to", "1")
    assert ended.stderr == "tenantry: spec.state was Suspended (ReadOnly) and is Active now, as in revision 1\n"
    begun = await tenantry("rollback", "tenant", "acme", "--to", "2")
    assert begun.stderr == "tenantry: spec.state was Active and is Suspended (ReadOnly) now, as in revision 2\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["history", "plan", "tin"], 1, "tenantry: "),
        (["history", "plan", "gold", "tin"], 2, "Usage: "),
        (["history", "plan", "gold", "--revision", "9"], 1, "tenantry: "),
        (["diff", "plan", "gold", "--from", "9"], 1, "tenantry: "),
        (["diff", "plan", "gold", "--from", "0"], 2, "Usage: "),
        (["rollback", "plan", "gold", "--to", "9"], 1, "tenantry: "),
        (["rollback", "plan", "gold"], 2, "Usage: "),
        (["undelete", "gold"], 1, "tenantry: "),
        (["undelete", "plan", "gold"], 2, "Usage: "),
        (["undelete", "tenant", "a", "b"], 2, "Usage: "),
        (["explain", "tenant", "nobody"], 1, "tenantry: "),
        (["explain", "plan", "gold"], 2, "Usage: "),
    ],
)
async def test_what_is_not_there_is_said(edited: Tenantry, words: list[str], code: int, says: str) -> None:
    result = await edited(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(says)
    assert code == 2 or result.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("named", [["acme"], ["tenant", "acme"], ["tnt/acme"]], ids=" ".join)
async def test_a_deleted_tenant_comes_back(tenantry: Tenantry, named: list[str]) -> None:
    await tenantry("apply", "-f", "-", given=TENANT)
    before = yaml.safe_load((await tenantry("get", "tenant", "acme", "-o", "yaml")).stdout)
    deleted = await tenantry("delete", "tenant", "acme")
    assert deleted.stdout == "tenant.tenantry.dev/acme deleted\n"
    assert deleted.stderr == "bring it back with: tenantry undelete tenant acme\n"
    for words in (["history"], ["explain"], ["diff"], ["rollback", "--to", "1"], ["describe"], ["get"]):
        missing = await tenantry(words[0], "tenant", "acme", *words[1:])
        assert missing.exit_code == 1
        assert missing.stderr.endswith("; it was deleted, bring it back with: tenantry undelete tenant acme\n"), words
    assert (await tenantry("undelete")).stdout.splitlines()[1].split()[:3:2] == ["acme", "api"]
    assert (await tenantry("undelete", *named)).stdout == "tenant.tenantry.dev/acme is back\n"
    after = yaml.safe_load((await tenantry("get", "tenant", "acme", "-o", "yaml")).stdout)
    assert after["spec"] == before["spec"]
    assert after["status"]["tenantID"] == before["status"]["tenantID"]
    assert (await tenantry("undelete")).stderr == "No deleted tenants.\n"
    newest, first = (await tenantry("history", "tenant", "acme")).stdout.splitlines()[1:]
    assert (newest.split()[0], first.split()[0]) == ("2", "1")
    assert re.search(r"brought back; it was deleted at 20\d\d-\S+Z$", newest)
    assert "deleted" not in first


async def test_a_tenant_is_explained(tenantry: Tenantry) -> None:
    await tenantry("apply", "-f", "-", given=TENANT)
    waiting = (await tenantry("explain", "tenant", "acme")).stdout
    assert waiting.startswith("tenant acme is not Ready since ")
    assert '\nWhat to do:\n  - Create the Plan "gold", or ' in waiting
    assert "\nPlan:        gold, which does not exist\n" in waiting
    assert "\nNot looked at here: it needs a cluster" in waiting
    await tenantry("apply", "-f", "-", given=PLAN % "Gold")
    await tenantry("apply", "-f", "-", given=TENANT.replace("Acme", "Acme GmbH"))
    ready = (await tenantry("explain", "tenant/acme")).stdout
    assert ready.startswith("tenant acme is Ready since ")
    assert "What to do" not in ready
    assert "\nPlan:        gold (Gold), revision 1; features: none\n" in ready
    assert "\n  namespaces            32           1      32           yes\n" in ready
    assert "\nState:       Active\n" in ready


@pytest.mark.parametrize(
    ("suspension", "told"),
    [("", "Blocked): no reason is given"), ("  suspension: {mode: ReadOnly, reason: unpaid}", "ReadOnly): unpaid")],
)
async def test_a_suspended_tenant_is_explained_with_its_reason(tenantry: Tenantry, suspension: str, told: str) -> None:
    await tenantry("apply", "-f", "-", given=f"{TENANT}  state: Suspended\n{suspension}")
    explained = (await tenantry("explain", "tenant", "acme")).stdout
    assert explained.splitlines()[0].endswith(", and suspended")
    assert f"\nState:       Suspended ({told}\n" in explained

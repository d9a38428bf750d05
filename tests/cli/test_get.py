"""`tenantry get`, `describe` and `delete`: what is shown of objects, and what becomes of them."""

import json

import pytest
import yaml

from tests.support.cli import Tenantry
from tests.support.server import ServerInProcess
from tests.worktree import ROOT

FORMS = "give KIND NAME... or KIND/NAME..., such as `tenant acme globex` or `tenant/acme plan/pro`"


@pytest.fixture
async def samples(tenantry: Tenantry) -> Tenantry:
    """`tenantry` beside a server that has the samples."""
    assert (await tenantry("apply", "-f", str(ROOT / "k8s/samples"))).exit_code == 0
    return tenantry


async def test_a_table_has_the_columns_of_the_kind(samples: Tenantry) -> None:
    heading, *rows = (await samples("get", "tenants")).stdout.splitlines()
    assert heading.split() == ["NAME", "PLAN", "STATE", "READY", "REASON", "NAMESPACES", "AGE"]
    assert [row.split()[:3] for row in rows] == [["acme", "pro", "Active"], ["globex", "starter", "Active"]]
    assert heading.index("PLAN") == rows[0].index("pro")
    wide = (await samples("get", "tnt", "-o", "wide")).stdout.splitlines()[0]
    assert wide.split()[-3:] == ["TENANT-ID", "SUSPENSION", "MESSAGE"]


async def test_why_a_tenant_is_suspended_is_in_the_wide_table(samples: Tenantry) -> None:
    document = yaml.safe_load((await samples("get", "tenant", "acme", "-o", "yaml")).stdout)
    document["spec"] |= {"state": "Suspended", "suspension": {"reason": "unpaid"}}
    assert (await samples("apply", "-f", "-", given=yaml.safe_dump(document))).exit_code == 0
    row = (await samples("get", "tenant", "acme", "-o", "wide")).stdout.splitlines()[1]
    assert (row.split()[2], row.split()[-1]) == ("Suspended", "unpaid")


async def test_several_kinds_are_several_tables(samples: Tenantry) -> None:
    plans, tenants = (await samples("get", "plans,tenants")).stdout.split("\n\n")
    assert plans.splitlines()[1].startswith("plan.tenantry.dev/ent ")
    assert tenants.splitlines()[1].startswith("tenant.tenantry.dev/acme ")


async def test_a_namespace_is_a_column_of_all(samples: Tenantry) -> None:
    assert (await samples("get", "configs", "-A")).stdout.splitlines()[1].startswith("tenantry-system   web ")
    assert (await samples("get", "configs", "-n", "elsewhere")).stderr == "No resources found.\n"


async def test_a_selector_chooses(samples: Tenantry) -> None:
    assert (await samples("get", "tenants", "-l", "ring=internal", "-o", "name")).stdout == "tenant.tenantry.dev/acme\n"


@pytest.mark.parametrize("form", ["yaml", "json"])
async def test_an_object_is_shown_whole(samples: Tenantry, form: str) -> None:
    read = yaml.safe_load if form == "yaml" else json.loads
    one = read((await samples("get", "tenant/acme", "-o", form)).stdout)
    assert one["spec"]["displayName"] == "Acme GmbH"
    both = read((await samples("get", "tenant", "acme", "globex", "-o", form)).stdout)
    assert [each["metadata"]["name"] for each in both["items"]] == ["acme", "globex"]


async def test_what_is_shown_can_be_edited_and_applied(samples: Tenantry) -> None:
    shown = (await samples("get", "tenants", "-o", "yaml")).stdout
    assert "managedFields" not in shown
    assert (await samples("apply", "-f", "-", given=shown)).stdout.endswith(" 2 unchanged, 0 failed\n")
    shown = (await samples("get", "tenant", "acme", "-o", "yaml")).stdout  # whose defaults somebody has applied now
    edited = await samples("apply", "-f", "-", given=shown.replace("Acme GmbH", "Acme AG"))
    assert edited.stdout.splitlines()[0] == "tenant.tenantry.dev/acme configured"
    stale = await samples("apply", "-f", "-", given=shown.replace("Acme GmbH", "Acme KG"))
    assert stale.exit_code == 1
    assert "the object has been modified" in stale.stderr


async def test_what_is_missing_hides_nothing(samples: Tenantry) -> None:
    result = await samples("get", "tenant", "nobody", "acme", "-o", "name")
    assert (result.exit_code, result.stdout) == (1, "tenant.tenantry.dev/acme\n")
    assert result.stderr == 'tenantry: tenants.tenantry.dev "nobody" not found\n'


async def test_describe_ends_with_the_conditions(samples: Tenantry) -> None:
    shown = (await samples("describe", "tenant", "acme")).stdout
    assert shown.startswith("Name:       acme\nKind:       Tenant\n")
    assert "Labels:\n  ring: internal\n" in shown
    assert "\nSpec:\n" in shown
    conditions = shown.partition("Conditions:\n")[2].splitlines()
    assert conditions[0].split() == ["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"]
    assert conditions[1].split()[:3] == ["Ready", "True", "Ready"]


async def test_what_manifests_describe_is_deleted_in_the_order_that_works(samples: Tenantry) -> None:
    deleted = await samples("delete", "-f", str(ROOT / "k8s/samples"))
    assert deleted.exit_code == 0, deleted.output
    kinds = [line.partition(".")[0] for line in deleted.stdout.splitlines()]
    assert kinds == ["config"] * 3 + ["tenant"] * 2 + ["plan"] * 3
    assert (await samples("get", "all")).stdout == ""
    again = await samples("delete", "tenant", "acme")
    assert (again.exit_code, again.stderr) == (1, 'tenantry: tenants.tenantry.dev "acme" not found\n')
    assert (await samples("delete", "tenant", "acme", "--ignore-not-found")).exit_code == 0


async def test_what_may_not_be_deleted_stops_nothing_else(samples: Tenantry) -> None:
    result = await samples("delete", "plan/pro", "plan/ent")
    assert (result.exit_code, result.stdout) == (1, "plan.tenantry.dev/ent deleted\n")
    assert 'plans.tenantry.dev "pro" is forbidden' in result.stderr


async def test_what_cannot_go_is_told_from_what_one_may_not(samples: Tenantry) -> None:
    in_use = await samples("delete", "plan", "pro")
    assert (in_use.exit_code, in_use.stdout) == (1, "")
    why = "tenants on this plan: acme; move them to another plan first"
    assert in_use.stderr == f'tenantry: plans.tenantry.dev "pro" is forbidden: {why}\n'
    tenant = "{apiVersion: tenantry.dev/v1alpha1, kind: Tenant, metadata: {name: kept},"
    spec = "spec: {displayName: Kept, planRef: {name: pro}, deletionProtection: Enabled}"
    await samples("apply", "-f", "-", given=f"{tenant} {spec}}}")
    assert (await samples("delete", "tenant", "kept")).exit_code == 1


async def test_what_waits_for_a_finalizer_is_said_so(tenantry: Tenantry, server: ServerInProcess) -> None:
    plan = "{apiVersion: tenantry.dev/v1alpha1, kind: Plan, metadata: {name: gold, finalizers: [a.example/b]},"
    await tenantry("apply", "-f", "-", given=f"{plan} spec: {{displayName: Gold}}}}")
    deleted = await tenantry("delete", "plan", "gold")
    assert deleted.stdout == "plan.tenantry.dev/gold is being deleted: it waits for a.example/b\n"
    del server


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["get", "pods"], 'there is no kind "pods"; kinds are plans, tenants, configs'),
        (["get", "tenant/"], f'"tenant/" is no KIND/NAME; {FORMS}'),
        (["get", "tennants"], 'there is no kind "tennants"; did you mean tenants?'),
        (["get", "tenant", "a/b"], f'"a/b" is no name of an object; {FORMS}'),
        (["delete", "tenant", "acme", "plan/pro"], f'"plan/pro" is no name of an object; {FORMS}'),
        (["describe", "tenant"], "which tenant? give its name"),
        (["delete"], "give either KIND and NAME, or -f"),
        (
            ["get", "tenants", "-l", "a=b,c==="],
            (
                "Invalid value for '-l' / '--selector': \"a=b,c===\": unable to parse requirement: found '=', "
                "expected: identifier"
            ),
        ),
        (["get", "tenant", "acme", "-l", "a=b"], "--selector and --all-namespaces go with no NAME"),
    ],
)
async def test_a_wrong_command_line_is_2(tenantry: Tenantry, words: list[str], says: str) -> None:
    result = await tenantry(*words)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"Error: {says}\n")

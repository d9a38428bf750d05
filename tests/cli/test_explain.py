"""`tenantry explain`: what fields mean, without a server."""

import pytest

from tenantry.model.kinds import KINDS, Kind
from tenantry.model.outline import outline
from tests.support.cli import run


def test_a_field_is_shown_with_its_type_limits_and_fields() -> None:
    lines = run("explain", "tenant.spec.access").stdout.splitlines()
    assert lines[:2] == ["KIND:   Tenant (tenantry.dev/v1alpha1)", "FIELD:  spec.access <list of object>"]
    assert "  - entries are known by `role`" in lines
    below = lines[lines.index("FIELDS:") + 1 :]
    assert below[0] == "  role <string> required"
    assert "    - one of `Owner`, `Editor`, `Viewer`" in below


@pytest.mark.parametrize(
    "path", ["spec.quota.hard", "spec.access.subjects.kind", "metadata.labels", "status.conditions"]
)
def test_a_path_leads_through_lists_and_maps(path: str) -> None:
    assert run("explain", f"tnt.{path}").exit_code == 0


def test_all_fields_can_be_listed() -> None:
    lines = run("explain", "configs", "--recursive").stdout.splitlines()
    assert "spec <object> required" in lines
    assert "    merge <string>" in lines


def test_what_is_not_there_is_said() -> None:
    result = run("explain", "tenant.spec.plan")
    assert result.exit_code == 2
    assert 'Tenant has no field "spec.plan"' in result.stderr


@pytest.mark.parametrize("kind", KINDS, ids=[kind.plural for kind in KINDS])
def test_every_field_is_described(kind: Kind) -> None:
    assert [field.path for field in outline(kind).walk() if not field.description.endswith((".", ":", "`"))] == []

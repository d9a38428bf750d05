"""Why a tenant is as it is, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import click

from tenantry.cli import table
from tenantry.cli.remote import Remote
from tenantry.cli.tombstones import offering_undelete
from tenantry.client.tenants import Tenants
from tenantry.model.kinds import Address

_INDENT = "  "


async def explain_tenant(target: Remote, at: Address) -> None:
    """Print what the server has to say of a tenant."""
    async with offering_undelete(target, at):
        found = await Tenants(target.session).explain(at.name)
    click.echo("\n".join(_lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield _verdict(found)
    if found["next"]:
        yield "\nWhat to do:"
        yield from (f"{_INDENT}- {step}" for step in found["next"])
    yield ""
    yield f"Plan:        {_plan(found['plan'])}"
    yield f"State:       {_state(found)}"
    yield f"Managed by:  {found['managedBy']}"
    yield f"Tenant-ID:   {found['tenantID']}"
    parts = ("type", "status", "reason", "since", "message")
    yield from _section("Conditions:", parts, found["conditions"])
    yield from _section("Limits:", ("name", "plan", "used", "applies", "within"), found["limits"])
    yield from _section("Hostnames:", ("host", "state", "heldBy"), found["hostnames"])
    for reason, group in groupby(found["notAssessed"], lambda each: str(each["reason"])):
        yield from _section(f"Not looked at here: {reason}", ("type", "about"), list(group))


def _verdict(found: Mapping[str, Any]) -> str:
    ready = found.get("ready")
    name = f"tenant {found['tenant']}"
    if ready is None:
        return f"{name} has no state yet"
    words = {"True": "is Ready", "False": "is not Ready", "Unknown": "may be Ready or not"}[ready["status"]]
    why = f": {ready['message'] or ready['reason']}" if ready["status"] != "True" else ""
    suspended = ", and suspended" if found.get("suspension") else ""
    return f"{name} {words} since {ready['since']}{why}{suspended}"


def _state(found: Mapping[str, Any]) -> str:
    suspension = found.get("suspension")
    if suspension is None:
        return str(found["state"])
    return f"{found['state']} ({suspension['mode']}): {suspension.get('reason') or 'no reason is given'}"


def _plan(plan: Mapping[str, Any]) -> str:
    if not plan["found"]:
        return f"{plan['name']}, which does not exist"
    features = ", ".join(plan.get("features") or ()) or "none"
    return f"{plan['name']} ({plan['displayName']}), revision {plan['revision']}; features: {features}"


def _section(title: str, parts: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if rows:
        yield f"\n{title}"
        lines = table.render(
            [_HEADINGS.get(part, part) for part in parts], [[_cell(row, part) for part in parts] for row in rows]
        )
        yield from (_INDENT + line for line in lines.splitlines())


_HEADINGS = {"heldBy": "held by"}


def _cell(row: Mapping[str, Any], part: str) -> Any:
    value = row.get(part)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value

"""``tenantry history``, ``diff`` and ``rollback``: what an object was, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from tenantry.cli import output, table
from tenantry.cli.names import complete_object, find_object, shown
from tenantry.cli.remote import Remote, remote
from tenantry.cli.tombstones import offering_undelete
from tenantry.client.history import History
from tenantry.model.kinds import Address

_words = click.argument("words", metavar="KIND NAME", nargs=-1, required=True, shell_complete=complete_object)
_COLUMNS = {
    "revision": "Revision",
    "generation": "Generation",
    "createdAt": "Created",
    "author": "Author",
    "message": "Message",
}
_COLOURS = {"-": "red", "+": "green"}


@click.command()
@_words
@click.option("--revision", type=click.IntRange(1), help="Show this one whole, as YAML.")
@output.namespace
@remote
async def history(target: Remote, words: tuple[str, ...], *, revision: int | None, namespace: str | None) -> None:
    """Show the revisions of an object.

    Each is a state of its spec, with who wrote it, when and why.

    \b
    Examples:
      tenantry history tenant acme
      tenantry history tenant/acme --revision 3
    """
    at = find_object(words, namespace or target.namespace)
    revisions = History(target.session)
    async with offering_undelete(target, at):
        if revision is not None:
            click.echo(output.as_yaml(await revisions.revision(at, revision)))
            return
        rows = [[_cell(each, part) for part in _COLUMNS] async for each in revisions.revisions(at)]
    click.echo(table.render(list(_COLUMNS.values()), rows))


def _cell(revision: Mapping[str, Any], part: str) -> Any:
    """People by their e-mail address, where the reader may know it."""
    return revision.get("authorEmail", revision["author"]) if part == "author" else revision.get(part)


@click.command()
@_words
@click.option("--from", "start", type=click.IntRange(1), help="Revision before; by default the one before --to.")
@click.option("--to", "end", type=click.IntRange(1), help="Revision after; by default the newest.")
@output.namespace
@remote
async def diff(
    target: Remote, words: tuple[str, ...], *, start: int | None, end: int | None, namespace: str | None
) -> None:
    """Show what differs between two revisions of an object.

    By default it is what the last change changed.

    \b
    Examples:
      tenantry diff tenant acme
      tenantry diff tenant acme --from 3
      tenantry diff tenant acme --from 3 --to 5
    """
    at = find_object(words, namespace or target.namespace)
    revisions = History(target.session)
    async with offering_undelete(target, at):
        last = end or await _newest(revisions, at)
        if start is None and last == 1:
            click.echo("No difference: revision 1 is the first" + ("." if end else ", and the only one."), err=True)
            return
        first = start or last - 1
        changes = await revisions.diff(at, first, last)
    if not changes:
        click.echo("No difference.", err=True)
        return
    click.echo(f"--- {shown(at)} revision {first}\n+++ {shown(at)} revision {last}")
    for line in (line for change in changes for line in _lines(change)):
        click.secho(line, fg=_COLOURS.get(line[0]))


@click.command()
@_words
@click.option("--to", "revision", type=click.IntRange(1), required=True, help="Revision whose spec it gets again.")
@click.option("-m", "--message", default="", help="Why; kept with the new revision.")
@output.namespace
@remote
async def rollback(
    target: Remote, words: tuple[str, ...], *, revision: int, message: str, namespace: str | None
) -> None:
    """Give an object the spec of an older revision again, as a new revision.

    Nothing is lost: rolling back is undone by rolling back. `spec.state` goes back with the rest: it is said when that
    ends a suspension, or begins one. Fields stay with their managers: the next apply of a file sets again what that
    says, so put the file back too.

    \b
    Examples:
      tenantry rollback tenant acme --to 3
      tenantry rollback config/web-pro --to 7 -m "theme broke checkout"
    """
    at = find_object(words, namespace or target.namespace)
    async with offering_undelete(target, at):
        before = await target.resources.get(at)
    after = await History(target.session).rollback(at, revision, message=message)
    changed = after["metadata"]["generation"] != before["metadata"]["generation"]
    click.echo(f"{shown(at)} {'rolled back to' if changed else 'unchanged: it has the spec of'} revision {revision}")
    was, now = _state(before["spec"]), _state(after["spec"])
    if was != now:
        click.echo(f"tenantry: spec.state was {was} and is {now} now, as in revision {revision}", err=True)


def _state(spec: Mapping[str, Any]) -> str | None:
    """Whether the object is suspended, and how; a Plan never is."""
    state = spec.get("state")
    mode = (spec.get("suspension") or {}).get("mode")
    return f"Suspended ({mode})" if state == "Suspended" and mode else state


async def _newest(revisions: History, at: Address) -> int:
    async for each in revisions.revisions(at):
        return int(each["revision"])
    return 1


def _lines(change: Mapping[str, Any]) -> Iterator[str]:
    """A change as the field's path, then its value before and after."""
    yield f"  {change['path']}"
    for part, mark in (("before", "-"), ("after", "+")):
        if part in change:
            yield from (f"{mark}   {line}" for line in output.as_yaml(change[part]).splitlines())

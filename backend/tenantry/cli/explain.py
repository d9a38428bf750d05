"""``tenantry explain``: what a field of a kind means, and why a tenant is as it is."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from tenantry.cli.connection import options
from tenantry.cli.names import SPELLINGS, complete_kind, complete_object, find_kind, find_object
from tenantry.model.kinds import TENANT, Kind
from tenantry.model.outline import Field, find
from tenantry.model.resource import API_VERSION

_WIDEST = 100  # characters that are still good to read


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: a kind, and after a dot the fields below what stands before the last one; the name of a tenant."""
    if ctx.params.get(param.name or ""):
        return complete_object(ctx, param, incomplete)
    word, dot, path = incomplete.partition(".")
    if not dot:
        return complete_kind(ctx, param, incomplete)
    above, _, begun = path.rpartition(".")
    kind = SPELLINGS.get(word.lower())
    field = find(kind, above) if kind else None
    prefix = f"{word}.{above}." if above else f"{word}."
    below = field.fields if field else ()
    return [CompletionItem(prefix + each.name, help=each.description) for each in below if each.name.startswith(begun)]


@click.command()
@click.argument("words", metavar="KIND[.PATH] | tenant NAME", nargs=-1, required=True, shell_complete=_complete)
@click.option("--recursive", is_flag=True, help="Every field below, names and types only.")
@options
def explain(words: tuple[str, ...], *, recursive: bool, **connection: Any) -> None:
    """Say what a kind or one of its fields means, or why a tenant is as it is.

    A field is shown with its type, its limits and the fields below it, and needs no server. Of a tenant the server
    tells whether it is Ready, since when and why not, what its plan allows and what it takes, and what to do next.

    \b
    Examples:
      tenantry explain tenant
      tenantry explain tenant.spec.namespaces
      tenantry explain config --recursive
      tenantry explain tenant acme
    """
    if len(words) == 1 and "/" not in words[0]:
        word, _, path = words[0].partition(".")
        click.echo("\n".join(_fields(find_kind(word), path, recursive=recursive)))
        return
    at = find_object(words, "")
    if at.kind is not TENANT:
        raise click.UsageError(f"of a {at.kind.singular} there is nothing to explain; try `tenantry describe`")
    from tenantry.cli import explanation, remote  # noqa: PLC0415 - a field needs no client

    remote.call(explanation.explain_tenant, at, **connection)


def _fields(kind: Kind, path: str, *, recursive: bool) -> Iterable[str]:
    field = find(kind, path)
    if field is None:
        raise click.UsageError(
            f'{kind.name} has no field "{path}"; `tenantry explain {kind.singular} --recursive` shows all'
        )
    return _outline(field) if recursive else _page(kind, field)


def _page(kind: Kind, field: Field) -> Iterator[str]:
    yield f"KIND:   {kind.name} ({API_VERSION})"
    if field.path:
        yield f"FIELD:  {field.path} <{field.type}>{' required' * field.required}"
    yield ""
    yield from _paragraph(field, "  ")
    if field.fields:
        yield ""
        yield "FIELDS:"
    for each in field.fields:
        yield f"  {each.name} <{each.type}>{' required' * each.required}"
        yield from _paragraph(each, "    ")


def _paragraph(field: Field, indent: str) -> Iterator[str]:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    for text in (field.description, *(f"- {note}" for note in field.notes)):
        hanging = indent + "  " * text.startswith("- ")
        yield from textwrap.wrap(
            text,
            width,
            initial_indent=indent,
            subsequent_indent=hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _outline(field: Field, indent: str = "") -> Iterator[str]:
    for each in field.fields:
        yield f"{indent}{each.name} <{each.type}>{' required' * each.required}"
        yield from _outline(each, indent + "  ")

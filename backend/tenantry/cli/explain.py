"""``tenantry explain``: what a field of a kind means."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator

import click
from click.shell_completion import CompletionItem

from tenantry.cli.names import SPELLINGS, complete_kind, find_kind
from tenantry.model.kinds import Kind
from tenantry.model.outline import Field, find
from tenantry.model.resource import API_VERSION

_WIDEST = 100  # characters that are still good to read


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: a kind, and after a dot the fields below what stands before the last one."""
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
@click.argument("what", metavar="KIND[.PATH]", shell_complete=_complete)
@click.option("--recursive", is_flag=True, help="Every field below, names and types only.")
def explain(what: str, *, recursive: bool) -> None:
    """Say what a kind or one of its fields means.

    With its type, its limits and the fields below it. It needs no server.

    \b
    Examples:
      tenantry explain tenant
      tenantry explain tenant.spec.namespaces
      tenantry explain config --recursive
    """
    word, _, path = what.partition(".")
    kind = find_kind(word)
    field = find(kind, path)
    if field is None:
        raise click.UsageError(f'{kind.name} has no field "{path}"; `tenantry explain {word} --recursive` shows all')
    lines = _outline(field) if recursive else _page(kind, field)
    click.echo("\n".join(lines))


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

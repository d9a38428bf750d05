"""Kinds and objects as they are named on a command line: ``tenants``, ``tnt acme``, ``tenant/acme``."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

from tenantry.model.kinds import KINDS, Address, Kind
from tenantry.model.resource import GROUP

_FORMS = "give KIND NAME... or KIND/NAME..., such as `tenant acme globex` or `tenant/acme plan/pro`"


def _spellings(kind: Kind) -> tuple[str, ...]:
    return kind.singular, kind.plural, *kind.short_names, kind.qualified, f"{kind.singular}.{GROUP}"


#: what a kind may be called, in lower case
SPELLINGS = {spelling: kind for kind in KINDS for spelling in _spellings(kind)}


def find_kind(word: str) -> Kind:
    """The kind that ``word`` names, in any case.

    Raises:
        click.UsageError: there is none.
    """
    kind = SPELLINGS.get(word.lower())
    if kind is None:
        near = difflib.get_close_matches(word.lower(), SPELLINGS, 1)
        known = f"did you mean {near[0]}?" if near else f"kinds are {', '.join(kind.plural for kind in KINDS)}"
        raise click.UsageError(f'there is no kind "{word}"; {known}')
    return kind


def find_kinds(word: str) -> list[Kind]:
    """The kinds that a list with commas names; ``all`` are all."""
    return list(KINDS) if word == "all" else [find_kind(part) for part in word.split(",")]


def find_objects(words: Sequence[str], namespace: str) -> list[Address]:
    """The objects that ``KIND NAME...`` or ``KIND/NAME...`` name."""
    if "/" in words[0]:
        return [_address(*_split(word), namespace) for word in words]
    if len(words) == 1:
        raise click.UsageError(f"which {find_kind(words[0]).singular}? give its name")
    return [_address(words[0], name, namespace) for name in words[1:]]


def find_object(words: Sequence[str], namespace: str) -> Address:
    """The one object that ``KIND NAME`` or ``KIND/NAME`` names."""
    first, *others = find_objects(words, namespace)
    if others:
        raise click.UsageError("one object at a time: give one NAME")
    return first


def shown(at: Address) -> str:
    """An object as kubectl names it: ``tenant.tenantry.dev/acme``."""
    return f"{at.kind.singular}.{GROUP}/{at.name}"


def _split(word: str) -> tuple[str, str]:
    kind, slash, name = word.partition("/")
    if not (slash and name) or "/" in name:
        raise click.UsageError(f'"{word}" is no KIND/NAME; {_FORMS}')
    return kind, name


def _address(word: str, name: str, namespace: str) -> Address:
    if not name or "/" in name:
        raise click.UsageError(f'"{name}" is no name of an object; {_FORMS}')
    kind = find_kind(word)
    return Address(kind, namespace if kind.namespaced else "", name)


def complete_kind(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: the kinds that begin so."""
    del ctx, param
    return [CompletionItem(kind.plural, help=kind.description) for kind in KINDS if kind.plural.startswith(incomplete)]


def complete_object(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: a kind, and after one the names of its objects."""
    words = ctx.params.get(param.name or "") or ()
    kind = SPELLINGS.get(str(words[0]).lower()) if words else None
    if kind is None:
        return complete_kind(ctx, param, incomplete)
    from tenantry.cli.remote import list_names  # noqa: PLC0415 - only who talks to a server loads the client

    return [CompletionItem(name) for name in list_names(kind, ctx.params) if name.startswith(incomplete)]

"""Objects as YAML, JSON or names; the options that say which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import orjson

from tenantry.model import yamldoc
from tenantry.model.errors import TenantryError
from tenantry.model.kinds import BY_NAME, Address
from tenantry.model.selectors import parse_labels

Document = dict[str, Any]
Command = TypeVar("Command", bound=Callable[..., Any])

namespace = click.option("-n", "--namespace", help="Namespace of configs; the kubeconfig's by default.")


def _check_selector(_: click.Context, __: click.Parameter, text: str) -> str:
    try:
        parse_labels(text)
    except TenantryError as error:
        raise click.BadParameter(f'"{text}": {error.message}') from None
    return text


def selector(description: str) -> Callable[[Command], Command]:
    """The option -l: which objects, by their labels; what is wrong with it is told before a server is asked."""
    return click.option("-l", "--selector", default="", callback=_check_selector, help=description)


def as_list(documents: Sequence[Document]) -> Document:
    """Several objects as one, which can be applied again."""
    return {"apiVersion": "v1", "kind": "List", "items": list(documents)}


def as_json(document: Document) -> str:
    """Indented JSON without a newline at its end."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def as_yaml(tree: Any) -> str:
    """YAML without a newline at its end."""
    return yamldoc.dump(tree).removesuffix("\n...\n").rstrip("\n")


def address(document: Document) -> Address:
    """The object that a server's document is."""
    metadata = document["metadata"]
    return Address(BY_NAME[document["kind"]], metadata.get("namespace", ""), metadata["name"])

"""Objects as YAML, JSON or names; the options that say which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import orjson

from tenantry.model import yamldoc
from tenantry.model.kinds import BY_NAME, Address

Document = dict[str, Any]

namespace = click.option("-n", "--namespace", help="Namespace of configs; the kubeconfig's by default.")


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

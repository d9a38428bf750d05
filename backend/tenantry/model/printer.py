"""Printer columns: the cells of an object's row in ``kubectl get``, from the paths that the CRD declares too."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from tenantry.model.kinds import Kind

_STEP = re.compile(r"\.(\w+)|\[\?\(@\.(\w+)==\"([^\"]*)\"\)\]")


def cells(kind: Kind, spec: dict[str, Any], status: dict[str, Any]) -> list[Any]:
    """One cell for each column that is not a date, None where the object has nothing there."""
    tree = {"spec": spec, "status": status}
    return [find(tree) for find in _finders(kind)]


@cache
def _finders(kind: Kind) -> tuple[Callable[[Any], Any], ...]:
    return tuple(_finder(column.path) for column in kind.columns if column.type != "date")


def _finder(path: str) -> Callable[[Any], Any]:
    """A JSONPath of field steps and equality filters, as a function; the first match counts."""
    steps = _STEP.findall(path)

    def find(tree: Any) -> Any:
        for field, key, wanted in steps:
            if field:
                tree = tree.get(field) if isinstance(tree, dict) else None
            else:
                tree = next((item for item in tree or () if item.get(key) == wanted), None)
            if tree is None:
                return None
        return tree

    return find

"""Checks the cross-field rules that the models declare (``Model.rules``), wherever they stand in a spec."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

from tenantry.model import fielderrors
from tenantry.model.errors import FieldError
from tenantry.model.fields import Model

Tree = dict[str, Any]


def check(model: type[Model], spec: Tree, old: Tree | None = None, path: str = "spec") -> list[FieldError]:
    """The rules that ``spec``, a tree of ``model``'s shape, breaks; transition rules compare it with ``old``."""
    errors: list[FieldError] = []
    _check(model, spec, old, path, errors)
    return errors


def _check(model: type[Model], tree: Tree, old: Tree | None, path: str, errors: list[FieldError]) -> None:
    for rule in model.rules:
        holds = (old is None or rule.holds(tree, old)) if rule.transition else rule.holds(tree)
        if not holds:
            errors.append(fielderrors.broken(path, rule.message))
    for name, below in _parts_with_rules(model):
        child = tree.get(name)
        if isinstance(child, list):
            for index, item in enumerate(child):
                _check(below, item, None, f"{path}.{name}[{index}]", errors)
        elif child is not None:
            _check(below, child, None, f"{path}.{name}", errors)


@cache
def _parts_with_rules(model: type[Model]) -> tuple[tuple[str, type[Model]], ...]:
    """``(outside name, model)`` of the fields at or below which some rule stands: an object or a list of them."""
    return tuple(
        (field.alias or name, found)
        for name, field in model.model_fields.items()
        for found in _models_in(field.annotation)
        if found.rules or _parts_with_rules(found)
    )


def _models_in(annotation: Any) -> list[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]

"""Checks the cross-field rules that the models declare (``Model.rules``), wherever they stand in a spec."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

from tenantry.model.errors import FieldCode, FieldError
from tenantry.model.fields import Model


def check(spec: Model, old: Model | None = None, path: str = "spec") -> list[FieldError]:
    """The rules that ``spec`` breaks; transition rules are compared with ``old`` when there is one."""
    errors: list[FieldError] = []
    _check(spec, old, path, errors)
    return errors


@cache
def has_transitions(model: type[Model]) -> bool:
    """Whether a rule compares a new spec with the old one."""
    return any(rule.transition for rule in model.rules)


def _check(value: Model, old: Model | None, path: str, errors: list[FieldError]) -> None:
    for rule in value.rules:
        holds = (old is None or rule.holds(value, old)) if rule.transition else rule.holds(value)
        if not holds:
            errors.append(FieldError(path, FieldCode.INVALID, f"Invalid value: {rule.message}"))
    for name, alias in _fields_with_rules(type(value)):
        child = getattr(value, name)
        if isinstance(child, Model):
            _check(child, None, f"{path}.{alias}", errors)
        elif isinstance(child, list):
            for index, item in enumerate(child):
                _check(item, None, f"{path}.{alias}[{index}]", errors)
        elif isinstance(child, dict):
            for key, item in child.items():
                _check(item, None, f"{path}.{alias}.{key}", errors)


@cache
def _fields_with_rules(model: type[Model]) -> tuple[tuple[str, str], ...]:
    """``(attribute, outside name)`` of the fields below which some rule stands."""
    return tuple(
        (name, field.alias or name)
        for name, field in model.model_fields.items()
        if any(_has_rules(found) for found in _models_in(field.annotation))
    )


def _has_rules(model: type[Model]) -> bool:
    return bool(model.rules) or bool(_fields_with_rules(model))


def _models_in(annotation: Any) -> list[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]

"""Fields that an apply would take from their managers, and the answer that says so."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.managedfields.managers import Manager
from tenantry.model.managedfields.paths import display


class Conflict(NamedTuple):
    """One field with another value, and the manager who owns it."""

    manager: Manager
    path: tuple[str, ...]


def refusal(conflicts: list[Conflict]) -> TenantryError:
    """The error for ``conflicts``, which stand together by manager; message and causes are kube-apiserver's."""
    causes = [
        FieldError(_shown(path), FieldCode.MANAGER_CONFLICT, f"conflict with {manager.display()}")
        for manager, path in conflicts
    ]
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].path}"
    else:
        lines = []
        for manager, found in groupby(conflicts, key=lambda conflict: conflict.manager):
            lines.append(f"conflicts with {manager.display()}:")
            lines.extend(f"- {_shown(path)}" for _, path in found)
        message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    return TenantryError(Code.CONFLICT, message, causes)


def _shown(path: tuple[str, ...]) -> str:
    return "".join(map(display, path))

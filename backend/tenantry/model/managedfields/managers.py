"""Who owns what: ``metadata.managedFields``, decoded and encoded as apimachinery does it.

A manager that applies has one entry; one that updates has one per version; both have further ones per subresource.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from tenantry.model.errors import FieldCode, FieldError
from tenantry.model.managedfields.fieldset import FieldSet, parse
from tenantry.model.managedfields.schema import AnyType, ListType, MapType, ObjectType, Type
from tenantry.model.quoting import quote, quote_json

MAX_NAME, MAX_SUBRESOURCE = 128, 256  # bytes
#: Objects of a kind mostly have the same owners of the same fields; a set in the cache takes about 10 times its text.
CACHED_SETS, CACHED_SIZE = 512, 4096  # entries, bytes
#: More entries of updates than this are folded into one (apimachinery's ``DefaultMaxUpdateManagers``).
MAX_UPDATES = 10
ANCIENT_CHANGES = "ancient-changes"


class Operation(StrEnum):
    """How a manager came to own its fields."""

    APPLY = "Apply"
    UPDATE = "Update"


class Manager(NamedTuple):
    """What tells one entry from another; the version of an apply does not."""

    name: str
    operation: Operation
    api_version: str
    subresource: str = ""

    def display(self) -> str:
        """The manager as messages about conflicts show it."""
        subresource = f" with subresource {quote(self.subresource)}" if self.subresource else ""
        version = f" using {self.api_version}" if self.operation is Operation.UPDATE else ""
        return f"{quote(self.name)}{subresource}{version}"

    def identifier(self) -> str:
        """Apimachinery's key of an entry; it is what entries are sorted by where their order shows."""
        parts = {
            "manager": self.name,
            "operation": self.operation.value,
            "apiVersion": self.api_version,
            "subresource": self.subresource,
        }
        return "{" + ",".join(f"{quote_json(key)}:{quote_json(value)}" for key, value in parts.items() if value) + "}"


@dataclass(frozen=True, slots=True)
class Owned:
    """The fields of one manager, and when it last took one (RFC 3339 in whole seconds, UTC)."""

    fields: FieldSet
    time: str | None = None
    json: Any = None  # ``fields`` as FieldsV1, when it is at hand


class ForeignVersionError(Exception):
    """Fields are owned in a version that does not exist (any more), so nobody can say what they are."""


_TEXTS = ("manager", "operation", "apiVersion", "fieldsType", "subresource")

Managers = dict[Manager, Owned]


def default_name(user_agent: str) -> str:
    """The manager of a request that names none: what its User-Agent has before the first ``/``."""
    name = ""
    for char in filter(str.isprintable, user_agent.partition("/")[0]):
        if len((name + char).encode()) > MAX_NAME:
            break
        name += char
    return name


def check_name(name: str, path: str = "fieldManager") -> list[FieldError]:
    """What is wrong with the name of a manager; ``path`` is where it stands."""
    errors = []
    if len(name.encode()) > MAX_NAME:
        errors.append(FieldError(path, FieldCode.TOO_LONG, f"Too long: may not be more than {MAX_NAME} bytes"))
    position = 0
    for char in name:
        if not char.isprintable():
            message = f"Invalid value: {quote(name)}: invalid character U+{ord(char):04X} (at position {position})"
            errors.append(FieldError(path, FieldCode.INVALID, message))
        position += len(char.encode())
    return errors


def check(entries: Sequence[dict[str, Any]]) -> list[FieldError]:
    """What is wrong with managed fields as :func:`encode` made them: names come from clients."""
    errors = []
    for index, entry in enumerate(entries):
        path = f"metadata.managedFields[{index}]"
        errors += check_name(entry["manager"], f"{path}.manager")
        if len(entry.get("subresource", "").encode()) > MAX_SUBRESOURCE:
            message = f"Too long: may not be more than {MAX_SUBRESOURCE} bytes"
            errors.append(FieldError(f"{path}.subresource", FieldCode.TOO_LONG, message))
    return errors


def decode(kind: ObjectType, entries: Sequence[Any]) -> Managers:
    """The managers in ``metadata.managedFields``.

    Raises:
        ValueError: an entry that apimachinery refuses.
        ForeignVersionError: one of another version.
    """
    managers: Managers = {}
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name, ""), str) for name in _TEXTS):
            raise ValueError(f"managed fields entry {index} is not of their shape")
        operation, version = entry.get("operation"), entry.get("apiVersion")
        if operation not in tuple(Operation):
            raise ValueError("operation must be `Apply` or `Update`")
        if not version:
            raise ValueError("apiVersion must not be empty")
        if version != kind.api_version:
            raise ForeignVersionError(version)
        if entry.get("fieldsType") != "FieldsV1":
            raise ValueError(f"missing or invalid fieldsType in managed fields entry {index}")
        manager = Manager(
            entry.get("manager", ""),
            Operation(operation),
            version if operation == Operation.UPDATE else "",
            entry.get("subresource", ""),
        )
        json = entry.get("fieldsV1") or {}
        fields, canonical = _read_fields(kind, json)
        managers[manager] = Owned(fields, _second(entry.get("time")), json if canonical else None)
    return managers


def encode(kind: ObjectType, managers: Managers) -> list[dict[str, Any]]:
    """``metadata.managedFields``: appliers first, then by time, name, version and subresource."""
    entries = []
    for manager, owned in sorted(managers.items(), key=_place):
        entry: dict[str, Any] = {
            "apiVersion": kind.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": owned.fields.to_json() if owned.json is None else owned.json,
            "manager": manager.name,
            "operation": manager.operation.value,
        }
        if manager.subresource:
            entry["subresource"] = manager.subresource
        if owned.time:
            entry["time"] = owned.time
        entries.append(entry)
    return entries


def cap(kind: ObjectType, managers: Managers) -> Managers:
    """``managers`` with the oldest updates folded into one entry while there are too many of them.

    A port of apimachinery's ``capManagersManager``, with what it does among updates of one second: the oldest may stay
    beside the entry, and an entry that comes after it is lost.
    """
    updates = [item for item in managers.items() if item[0].operation is Operation.UPDATE]
    surplus = len(updates) - MAX_UPDATES
    if surplus <= 0:
        return managers
    first, *others = (
        manager for manager, _ in sorted(updates, key=lambda item: (item[1].time or "", item[0].identifier()))
    )
    bucket = Manager(ANCIENT_CHANGES, Operation.UPDATE, kind.api_version)
    capped = dict(managers)
    for manager in others[:surplus]:
        if bucket not in capped:
            capped[bucket] = capped.pop(first)
        capped[bucket] = Owned(capped[bucket].fields | capped[manager].fields, capped[manager].time)
        del capped[manager]
    return capped


def _place(item: tuple[Manager, Owned]) -> tuple[str, str, str, str, str]:
    manager, owned = item
    return manager.operation, owned.time or "", manager.name, manager.api_version, manager.subresource


def _read_fields(kind: ObjectType, json: Any) -> tuple[FieldSet, bool]:
    """The set that FieldsV1 describes, and whether it describes it as we would."""
    text = orjson.dumps(json)
    return _parse_fields(kind, text) if len(text) <= CACHED_SIZE else _parse_fields.__wrapped__(kind, text)


@lru_cache(maxsize=CACHED_SETS)
def _parse_fields(kind: ObjectType, text: bytes) -> tuple[FieldSet, bool]:
    json = orjson.loads(text)
    fields = _collapse(kind.type, parse(json))
    return fields, fields.to_json() == json


def _second(time: Any) -> str | None:
    """A time as ``metav1.Time`` writes it again."""
    if time is None:
        return None
    if not isinstance(time, str):
        raise ValueError("time is no text")  # noqa: TRY004 - a document's fault, not a caller's
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time):
        return time
    return datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _collapse(kind: Type, fields: FieldSet) -> FieldSet:
    """``fields`` under a schema in which something may have become atomic since they were written.

    A port of structured-merge-diff's ``ReconcileFieldSetWithSchema``: who owned a part now owns the whole.
    """
    atom = kind.map if isinstance(kind, AnyType) else kind
    members, children = fields.members, fields.children
    for element, child in fields.children.items():
        below = _below(atom, element)
        if below is None:
            continue
        if isinstance(below, ListType | MapType) and below.atomic:
            rest, members = None, members | {element}
        else:
            rest = _collapse(below, child)
            if rest is child:
                continue
        children = dict(children)
        if rest:
            children[element] = rest
        else:
            del children[element]
    return fields if children is fields.children else FieldSet(members, children)


def _below(atom: Type, element: str) -> Type | None:
    if isinstance(atom, MapType):
        return atom.child(element[2:]) if element.startswith("f:") else atom.element
    return atom.element if isinstance(atom, ListType) else None

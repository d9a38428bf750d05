"""The rows of the verdict table: each a change to the base document of its file."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tenantry.model import manifest
from tenantry.model.errors import FieldCode, FieldError
from tests.model.verdict import ACCEPTED, INVALID, UNDECODABLE, Row, Verdict

FOLDER = Path(__file__).parent / "verdicts"


@cache
def rows() -> tuple[Row, ...]:
    """Every row of every file, its id beginning with the file's name."""
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        table = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        found += [_row(path.stem, table["base"], entry) for entry in table["rows"]]
    return tuple(found)


def _row(table: str, base: dict[str, Any], entry: dict[str, Any]) -> Row:
    old = entry.get("old")
    return Row(
        id=f"{table}-{entry['id']}",
        document=_changed(base, entry),
        expected=_expected(entry),
        old=None if old is None else _changed(base, old),
        json_schema=entry.get("json_schema", ""),
        http=entry.get("http", ""),
    )


def _expected(entry: dict[str, Any]) -> Verdict:
    wrong = [] if entry["expected"] == "ok" else entry["expected"]
    errors = [FieldError(error["path"], FieldCode(error["code"]), "") for error in wrong]
    unknown = frozenset(entry.get("unknown", ()))
    status = ACCEPTED if not errors else INVALID
    if unknown or manifest.is_malformed(errors):
        status = UNDECODABLE
    return Verdict(status, frozenset((error.path, error.code.value) for error in errors), unknown)


def _changed(base: dict[str, Any], change: dict[str, Any]) -> Any:
    document = copy.deepcopy(base)
    for pointer, value in change.get("set", {}).items():
        if not pointer:
            return copy.deepcopy(value)
        parent, step = _walk(document, pointer)
        if isinstance(parent, list) and step == len(parent):
            parent.append(value)
        else:
            parent[step] = copy.deepcopy(value)
    for pointer in change.get("remove", ()):
        parent, step = _walk(document, pointer)
        del parent[step]
    return document


def _walk(document: Any, pointer: str) -> tuple[Any, Any]:
    """What holds the value at a JSON pointer, and the key or index there; objects on the way are made."""
    *way, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for step in way:
        document = document[int(step)] if isinstance(document, list) else document.setdefault(step, {})
    return document, _index(document, last)


def _index(document: Any, step: str) -> Any:
    if not isinstance(document, list):
        return step
    return len(document) if step == "-" else int(step)

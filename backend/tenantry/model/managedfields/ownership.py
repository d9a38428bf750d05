"""What a write does to the ownership of fields: the two doors of server-side apply.

Ports of apimachinery's ``managedfields`` (the chain of managers) and structured-merge-diff's ``merge.Updater``.
A document is a whole object as a JSON tree. Neither function changes its arguments; results share trees with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

import orjson

from tenantry.model.errors import Code, TenantryError
from tenantry.model.jsontree import equal
from tenantry.model.managedfields.comparison import compare
from tenantry.model.managedfields.conflicts import Conflict, refusal
from tenantry.model.managedfields.fieldset import FieldSet
from tenantry.model.managedfields.managers import (
    ForeignVersionError,
    Manager,
    Managers,
    Operation,
    Owned,
    cap,
    decode,
    encode,
)
from tenantry.model.managedfields.merging import merge
from tenantry.model.managedfields.removal import prune
from tenantry.model.managedfields.schema import ObjectType
from tenantry.model.managedfields.typed import field_set, validate
from tenantry.model.metadata import ANNOTATIONS_SIZE
from tenantry.model.quoting import encode_json
from tenantry.model.resource import timestamp

Document = dict[str, Any]

#: What a write through a door cannot change, so nobody comes to own it there; the doors are subresources.
_OUT_OF_REACH = {"": frozenset({"f:status"}), "status": frozenset({"f:metadata", "f:spec"})}

_SERVER_METADATA = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
)
#: What identifies an object or belongs to the server.
_NEVER_OWNED = FieldSet(
    {"f:apiVersion", "f:kind", "f:metadata"},
    {"f:metadata": FieldSet({f"f:{name}" for name in _SERVER_METADATA})},
)

#: The owner of what was there before the first apply to an object whose managers are not known.
BEFORE_FIRST_APPLY = "before-first-apply"

_KUBECTL = "kubectl"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def update(  # noqa: PLR0913 - who, what, when and through which door
    kind: ObjectType,
    live: Document | None,
    new: Document,
    *,
    manager: str,
    now: int,
    subresource: str = "",
) -> Document:
    """``new`` with the managed fields that a create, update or patch by ``manager`` leaves.

    ``live`` is what was stored before (None: nothing), ``new`` what is to be stored, defaults filled in; ``now`` is in
    epoch microseconds. Managed fields that come with ``new`` are taken for those of ``live``; ``[{}]`` ends the
    tracking until the next apply. A ``new`` that does not fit the schema, and so is not going to be stored, comes back
    without managed fields.
    """
    before, after = _bare(live or _empty(kind)), _bare(new)
    write = _Write(kind, Manager(manager, Operation.UPDATE, kind.api_version, subresource), now)
    try:
        managers = _tracked(kind, live, new, from_live=bool(subresource))
        if managers or "uid" not in before["metadata"]:
            managers = write.update(before, after, managers)
    except (ValueError, ForeignVersionError):
        managers = {}
    return _with_managers(kind, after, managers)


def apply(  # noqa: PLR0913 - who, what, when and through which door
    kind: ObjectType,
    live: Document | None,
    config: Document,
    *,
    manager: str,
    now: int,
    force: bool = False,
    subresource: str = "",
) -> Document:
    """The object that applying ``config`` as ``manager`` makes of ``live`` (None: nothing is stored).

    ``now`` is in epoch microseconds.

    The result has its managed fields, and no defaults yet. What ``manager`` applied before and leaves out now is gone
    from it unless somebody else owns it. ``force`` takes fields with other values from their managers.

    Raises:
        TenantryError: ``CONFLICT`` with one field error per field and manager; ``BAD_REQUEST`` for another kind or
            with managed fields in ``config``; ``INVALID`` when ``config`` or ``live`` does not fit the schema.
    """
    _check_config(kind, config)
    write = _Write(kind, Manager(manager, Operation.APPLY, "", subresource), now)
    try:
        merged, managers, conflicts = write.apply(_bare(live or _empty(kind)), _bare(config), _known(write, live))
    except ValueError as error:
        raise TenantryError(Code.INVALID, f"failed to convert live object: {error}") from None
    if conflicts and not force:
        if manager == _KUBECTL:
            conflicts = _conflicts_beyond_last_applied(kind, _bare(live or {}), conflicts)
        if conflicts:
            raise refusal(conflicts)
    if manager == _KUBECTL:
        merged = _with_last_applied(merged, config)
    return _with_managers(kind, merged, managers)


def unchanged(live: Document, new: Document) -> bool:
    """Whether a write would change nothing but times in managed fields; such a write is not to be made."""
    before, after = _entries_without_times(live), _entries_without_times(new)
    return before == after and equal(_bare(live), _bare(new))


def _entries_without_times(document: Document) -> list[dict[str, Any]]:
    entries = document["metadata"].get("managedFields") or []
    return [{key: value for key, value in entry.items() if key != "time"} for entry in entries]


def _empty(kind: ObjectType) -> Document:
    return {"apiVersion": kind.api_version, "kind": kind.kind}


def _bare(document: Document) -> Document:
    """``document`` without its managed fields."""
    metadata = document.get("metadata") or {}
    return {**document, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}


def _with_managers(kind: ObjectType, bare: Document, managers: Managers) -> Document:
    if not managers:
        return bare
    return {**bare, "metadata": {**bare["metadata"], "managedFields": encode(kind, managers)}}


def _decoded(kind: ObjectType, document: Document) -> Managers:
    """The managers of a stored document; what cannot be read was never tracked."""
    try:
        return decode(kind, document.get("metadata", {}).get("managedFields", []))
    except ValueError:
        return {}


def _known(write: _Write, live: Document | None) -> Managers:
    """The managers before an apply: what nobody is known to own belongs to the past."""
    try:
        managers = _decoded(write.kind, live or {})
    except ForeignVersionError:
        managers = {}
    if managers or live is None:
        return managers
    past = Manager(BEFORE_FIRST_APPLY, Operation.UPDATE, write.kind.api_version, write.manager.subresource)
    return replace(write, manager=past).update(_bare(_empty(write.kind)), _bare(live), {})


def _tracked(kind: ObjectType, live: Document | None, new: Document, *, from_live: bool) -> Managers:
    """The managers before a write: those that the client sends along, so that it can edit them, or the stored ones."""
    if not from_live:
        sent = (new.get("metadata") or {}).get("managedFields")
        if sent in ([], [{}]):
            return {}
        try:
            if managers := decode(kind, sent or []):
                return managers
        except ValueError:
            pass
    return _decoded(kind, live or {})


@dataclass(frozen=True, slots=True)
class _Write:
    """One write: by whom, when, and so through which door."""

    kind: ObjectType
    manager: Manager
    now: int

    def update(self, live: Document, new: Document, managers: Managers) -> Managers:
        """The managers after ``live`` became ``new``."""
        out_of_reach = _OUT_OF_REACH[self.manager.subresource]
        changes = compare(self.kind.type, live, new)
        written = changes.written.without(out_of_reach)
        left = _taken_from(managers, written | changes.removed.without(out_of_reach))
        own = written - _NEVER_OWNED
        if own:
            earlier, last = left.get(self.manager), managers.get(self.manager)
            fields = own | earlier.fields if earlier else own
            json = last.json if last and last.fields == fields else None
            left[self.manager] = Owned(fields, timestamp(self.now), json)
        return cap(self.kind, left)

    def apply(self, live: Document, config: Document, managers: Managers) -> tuple[Document, Managers, list[Conflict]]:
        """The merged object, the managers as a forced apply leaves them, and what it has to be forced for."""
        kind, out_of_reach = self.kind.type, _OUT_OF_REACH[self.manager.subresource]
        merged = merge(kind, live, config)
        fields = field_set(kind, config).without(out_of_reach)
        last = managers.get(self.manager)
        others = {manager: owned for manager, owned in managers.items() if manager != self.manager}
        # what it does not drop, it keeps: no need to look who else owns it
        if last and not last.fields <= fields:
            managed = reduce(or_, (owned.fields for owned in others.values()), fields)
            merged = prune(kind, merged, last.fields, managed)
        changes = compare(kind, live, merged)
        written = changes.written.without(out_of_reach)
        conflicts = [
            Conflict(manager, path)
            for manager, owned in sorted(others.items(), key=lambda item: item[0].identifier())
            for path in (owned.fields & written).paths()
        ]
        left = _taken_from(others, written | changes.removed.without(out_of_reach))
        own = fields - _NEVER_OWNED
        if own:
            time = (last.time if last else None) if equal(live, merged) else timestamp(self.now)
            left[self.manager] = Owned(own, time, last.json if last and last.fields == own else None)
        return merged, left, conflicts


def _taken_from(managers: Managers, fields: FieldSet) -> Managers:
    """The managers that still own something without ``fields``."""
    left = {}
    for manager, owned in managers.items():
        rest = owned.fields - fields
        if rest:
            left[manager] = owned if rest is owned.fields else Owned(rest, owned.time)
    return left


def _check_config(kind: ObjectType, config: Document) -> None:
    api_version, name = config.get("apiVersion", ""), config.get("kind", "")
    if (api_version, name) != (kind.api_version, kind.kind):
        version = api_version if "/" in str(api_version) else f"/{api_version}"
        raise TenantryError(Code.BAD_REQUEST, f"invalid object type: {version}, Kind={name}")
    metadata = config.get("metadata") or {}
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise TenantryError(Code.BAD_REQUEST, "metadata.managedFields must be nil")
    if problems := validate(kind.type, config):
        listed = problems[0] if len(problems) == 1 else "\n  ".join(["errors:", *problems])
        place = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}" if isinstance(metadata, dict) else "/"
        raise TenantryError(
            Code.INVALID,
            f"failed to create typed patch object ({place}; {kind.api_version}, Kind={kind.kind}): {listed}",
        )


# -- client-side apply's annotation: kubectl goes over to server-side apply without conflicts ------------------------


def _conflicts_beyond_last_applied(kind: ObjectType, live: Document, conflicts: list[Conflict]) -> list[Conflict]:
    """The conflicts over what kubectl did not apply itself, on the client's side."""
    text = (live["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    if not text:
        return conflicts
    try:
        last = orjson.loads(text)
        if not isinstance(last, dict) or last.get("apiVersion") != kind.api_version:
            return conflicts
        if validate(kind.type, last) or validate(kind.type, live):
            return conflicts
        changes = compare(kind.type, last, live)
    except ValueError:
        return conflicts
    applied = field_set(kind.type, last) - changes.written - changes.removed
    return [conflict for conflict in conflicts if not applied.has(conflict.path)]


def _with_last_applied(document: Document, config: Document) -> Document:
    """``document`` with the annotation brought up to date, if it has one and there is room for it."""
    annotations = document["metadata"].get("annotations") or {}
    if not annotations.get(_LAST_APPLIED):
        return document
    applied = config
    given = (config.get("metadata") or {}).get("annotations")
    if given is not None:
        kept = {key: value for key, value in given.items() if key != _LAST_APPLIED}
        applied = {**config, "metadata": {**config["metadata"], "annotations": kept}}
    updated = {**annotations, _LAST_APPLIED: encode_json(applied) + "\n"}
    if sum(len(key.encode()) + len(value.encode()) for key, value in updated.items()) > ANNOTATIONS_SIZE:
        del updated[_LAST_APPLIED]
    return {**document, "metadata": {**document["metadata"], "annotations": updated}}

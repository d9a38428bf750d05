"""From a document to what a write would store: everything about a write that needs no database.

The rules are those of kube-apiserver's generic registry and custom-resource strategy: what a client may set, what is
carried over from the stored object, when generation moves, and when nothing changes at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import orjson

from tenantry.model import canonical, fielderrors, ids, jsontree, manifest, printer, schema
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.fields import Model
from tenantry.model.jsontree import depth_of, has_more_values, values_in
from tenantry.model.kinds import Address, Kind
from tenantry.model.limits import MAX_DEPTH, MAX_STORED_BYTES, MAX_STORED_VALUES
from tenantry.model.managedfields import ownership
from tenantry.model.managedfields.schema import ObjectType, compile_schema
from tenantry.model.manifest import Document, Manifest
from tenantry.model.objectmeta import ObjectMeta
from tenantry.model.quoting import quote
from tenantry.model.resource import API, API_VERSION, Resource, timestamp
from tenantry.services.resources.difference import difference

#: parts of metadata that a client sets, in the form in which they are stored
_CLIENT_META = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")
_STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")
_SERVER_META = ("deletionTimestamp", "deletionGracePeriodSeconds")
#: levels of the whole object in which the managed fields of a spec stand
_DEEPER = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes which part of an object, when, and how.

    ``settled`` tells that the managed fields stay as they come: a server-side apply has made them, or nobody is to own
    what is written.
    """

    manager: str  # metadata.managedFields[].manager
    now: int  # epoch microseconds
    subresource: str = ""  # "status" or nothing
    owner: str = API  # managed_by of a new object
    settled: bool = False
    patches: bool = False  # what is wrong with the document is the fault of a patch
    validation: str = "Warn"  # of unknown fields: Ignore, Warn or Strict
    renews: bool = False  # a new object takes the place of the stored one: no field of its spec is immutable


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An object as it would be stored, before the database has its say."""

    kind: Kind
    resource: Resource
    current: Resource | None
    typed: Model | None  # the spec; None when only status is written
    difference: str  # what it does, for the audit row; empty when that is nothing
    labels: dict[str, str] = field(default_factory=dict)
    prev_labels: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    message: str = ""  # why, for people: kept with the revision and the audit row

    @property
    def unchanged(self) -> bool:
        """Whether storing it would change nothing but times in managed fields."""
        return not self.difference

    @property
    def spec_changed(self) -> bool:
        """Whether it is a new object or has another spec: what takes a generation and a revision."""
        return self.current is None or self.current.spec != self.resource.spec


def create(kind: Kind, document: Document, namespace: str, writer: Writer) -> Candidate:
    """A new object of ``document``.

    Raises:
        TenantryError: INVALID with the field errors, BAD_REQUEST when a server-owned field is set.
    """
    meta = dict(document.get("metadata") or {})
    meta.pop("namespace", None)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = ids.generate_name(meta["generateName"])
    if meta.get("resourceVersion") not in (None, "", "0"):
        raise TenantryError(Code.BAD_REQUEST, "resourceVersion should not be set on objects to be created")
    if kind.namespaced:
        meta["namespace"] = namespace
    parsed = _parse(kind, {**document, "metadata": meta}, writer)
    resource = Resource(
        kind=kind.name,
        namespace=namespace,
        name=parsed.metadata.name or "",
        uid=ids.uuid7(),
        managed_by=writer.owner,
        created_at=writer.now,
    )
    entries = meta.get("managedFields") or None
    return _finish(parsed, resource, None, writer, entries=entries, spec=canonical.dumps(parsed.spec))


def update(
    kind: Kind, document: Document, current: Resource, writer: Writer, live: Document | None = None
) -> Candidate:
    """``current`` with what ``document`` says: a PUT, or a patch that was applied to it.

    ``live`` is ``current.document()`` for who has read it already; ``document`` may share trees with it.

    Raises:
        TenantryError: INVALID with the field errors, CONFLICT when ``resourceVersion`` or ``uid`` is another,
            BAD_REQUEST when it is another object or none.
    """
    _check_type(kind, document, writer)
    meta = document.get("metadata") or {}
    if not isinstance(meta, dict):
        raise _undecodable(writer, "metadata must be an object")
    check_address(Address(kind, current.namespace, current.name), meta)
    _check_preconditions(kind, meta, current, writer)
    live = current.document() if live is None else live
    _check_immutable(kind, meta, live["metadata"])
    if jsontree.equal(document, live):
        return Candidate(kind=kind, resource=current, current=current, typed=None, difference="")
    if writer.subresource:
        return _update_status(kind, document, current, writer, live)
    server_owned = {"name": current.name, "namespace": current.namespace or None}
    read = {**document, "metadata": {**meta, **server_owned}}
    if read.get("status") == live.get("status"):
        read.pop("status", None)  # nothing in it is unknown
    parsed = _parse(kind, read, writer, live)
    _check_finalizers(kind, parsed.metadata, live["metadata"])
    spec = canonical.dumps(parsed.spec)
    generation = current.generation + (spec != current.spec)
    entries = meta.get("managedFields") or live["metadata"].get("managedFields")
    return _finish(parsed, current, live, writer, entries=entries, spec=spec, generation=generation)


def apply(at: Address, config: Document, current: Resource | None, writer: Writer, *, force: bool) -> Candidate:
    """What a server-side apply of ``config`` makes of ``current``, or of nothing.

    Raises:
        TenantryError: CONFLICT with the fields that other managers own; INVALID, BAD_REQUEST as the others.
    """
    kind = at.kind
    meta = dict(config.get("metadata") or {})
    if kind.namespaced:
        meta["namespace"] = meta.get("namespace") or at.namespace
    else:
        meta.pop("namespace", None)
    config = {**config, "metadata": meta}
    live = current.document() if current else None
    merged = ownership.apply(
        object_type(kind),
        live,
        config,
        manager=writer.manager,
        now=writer.now,
        force=force,
        subresource=writer.subresource,
    )
    if current is not None:
        return update(kind, merged, current, writer, live)
    check_address(at, merged["metadata"])
    if uid := merged["metadata"].get("uid"):
        message = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise TenantryError(Code.CONFLICT, message, kind=kind.name, name=at.name)
    merged["metadata"].pop("resourceVersion", None)
    return create(kind, merged, at.namespace, writer)


def _update_status(kind: Kind, document: Document, current: Resource, writer: Writer, live: Document) -> Candidate:
    status = manifest.parse_status(kind, document.get("status") or {})
    if isinstance(status, list):
        raise invalid(kind, current.name, status)
    sent = (document.get("metadata") or {}).get("managedFields")
    entries = _entries(kind, live, {**live, "status": status}, sent, writer)
    meta = {**live["metadata"], "managedFields": entries}
    kept = {key: meta[key] for key in (*_CLIENT_META, *_SERVER_META, "managedFields") if meta.get(key) is not None}
    resource = with_status(kind, replace(current, meta=canonical.dumps(kept), updated_at=writer.now), status)
    return beside_spec(kind, fit(kind, resource, current, tracked=writer.settled), current)


def with_status(kind: Kind, resource: Resource, status: Document) -> Resource:
    """``resource`` with another status and the printer cells that follow from it."""
    cells = printer.cells(kind, orjson.loads(resource.spec), status)
    return replace(resource, status=canonical.dumps(status), cells=orjson.dumps(cells).decode())


def mark_deleted(kind: Kind, current: Resource, now: int) -> Candidate:
    """``current`` as it stands while finalizers hold it: marked, one generation on."""
    meta = current.meta_dict() | {"deletionTimestamp": timestamp(now), "deletionGracePeriodSeconds": 0}
    marked = replace(current, meta=canonical.dumps(meta), generation=current.generation + 1, updated_at=now)
    return beside_spec(kind, marked, current)


def beside_spec(kind: Kind, resource: Resource, current: Resource) -> Candidate:
    """``resource`` in the place of ``current``, which has the same spec and the same labels."""
    live = current.document()
    labels = live["metadata"].get("labels", {})
    return Candidate(
        kind=kind,
        resource=resource,
        current=current,
        typed=None,
        difference=difference(live, resource.document()),
        labels=labels,
        prev_labels=labels,
    )


def fit(kind: Kind, resource: Resource, current: Resource | None, *, tracked: bool) -> Resource:
    """``resource`` as it can be stored, so that a client can read it and send it again.

    One that is too large is stored without its managed fields, as kube-apiserver does it (``isTooLargeError`` in
    endpoints/handlers), unless it must stay ``tracked``: what made it is a server-side apply. One that is no worse than
    ``current`` can be stored as it is: a finalizer goes from whatever there is.

    Raises:
        TenantryError: TOO_LARGE, where kube-apiserver hands on an error of etcd with 500; INVALID when it is nested too
            deep.
    """
    try:
        _check_size(kind, resource, current)
    except TenantryError:
        meta = resource.meta_dict()
        if tracked or not meta.pop("managedFields", None):
            raise
        resource = replace(resource, meta=canonical.dumps(meta))
        _check_size(kind, resource, current)
    return resource


def _check_size(kind: Kind, resource: Resource, current: Resource | None) -> None:
    text = resource.to_json()
    size = len(text.encode())
    if size > MAX_STORED_BYTES and (current is None or size > len(current.to_json().encode())):
        raise _too_large(resource, f"{size} bytes", MAX_STORED_BYTES)
    if has_more_values(text, MAX_STORED_VALUES):
        count = values_in(text)
        if current is None or count > values_in(current.to_json()):
            raise _too_large(resource, f"{count} values", MAX_STORED_VALUES)
    brackets = sum(part.count("{") + part.count("[") for part in (resource.spec, resource.status))
    if brackets <= MAX_DEPTH - _DEEPER:
        return
    depth = depth_of(orjson.loads(text))
    if depth > MAX_DEPTH and (current is None or depth > depth_of(current.document())):
        detail = f"with managed fields the object would be nested {depth} deep, and at most {MAX_DEPTH} can be"
        raise invalid(kind, resource.name, [fielderrors.broken("metadata.managedFields", detail)])


def _too_large(resource: Resource, size: str, limit: int) -> TenantryError:
    message = (
        f"Request entity too large: the object would be stored with {size}, status and managed fields included; "
        f"limit is {limit}: take something out of it, or make two of it"
    )
    return TenantryError(Code.TOO_LARGE, message, kind=resource.kind, name=resource.name)


def invalid(kind: Kind, name: str, errors: list[FieldError]) -> TenantryError:
    """The INVALID error of a document."""
    count = f"{len(errors)} fields are wrong" if len(errors) > 1 else "a field is wrong"
    return TenantryError(Code.INVALID, f"{count}; see errors", errors, kind=kind.name, name=name)


def _parse(kind: Kind, document: Document, writer: Writer, live: Document | None = None) -> Manifest:
    _check_type(kind, document, writer)
    if writer.validation == "Strict" and (unknown := manifest.unknown_fields(kind, document)):
        listed = ", ".join(f"unknown field {quote(path)}" for path in unknown)
        raise _undecodable(writer, f"strict decoding error: {listed}")
    parsed = manifest.parse(document, old=live["spec"] if live and not writer.renews else None)
    if isinstance(parsed, list):
        if manifest.is_malformed(parsed):
            listed = "; ".join(f"{error.path}: {error.message}" for error in parsed)
            raise _undecodable(writer, f"the document cannot be decoded: {listed}")
        raise invalid(kind, str((document.get("metadata") or {}).get("name") or ""), parsed)
    return parsed


def _check_type(kind: Kind, document: Document, writer: Writer) -> None:
    version, found = document.get("apiVersion"), document.get("kind")
    if version != API_VERSION or not isinstance(found, str) or not found:
        are = f"{version or 'missing'} and {found or 'missing'}"
        message = f"apiVersion and kind are {are}, and here must be {API_VERSION} and {kind.name}"
        raise _undecodable(writer, message)
    if found != kind.name:
        meta = document.get("metadata")
        name = str(meta.get("name") or "") if isinstance(meta, dict) else ""
        error = fielderrors.invalid("kind", found, f"must be {kind.name}")
        raise TenantryError(Code.INVALID, f"{error.path}: {error.message}", [error], kind=found, name=name)


def check_address(at: Address, meta: Document) -> None:
    """Refuse an object that is not the one at ``at``, which may be a collection."""
    name, namespace = meta.get("name"), meta.get("namespace")
    if at.name and not name:
        message = f"the name of the object ({at.name} based on URL) was undeterminable: name must be provided"
        raise TenantryError(Code.BAD_REQUEST, message)
    if at.name and name != at.name:
        raise TenantryError(
            Code.BAD_REQUEST, f"the name of the object ({name}) does not match the name on the URL ({at.name})"
        )
    if at.kind.namespaced and namespace not in (None, "", at.namespace):
        raise TenantryError(
            Code.BAD_REQUEST,
            "the namespace of the provided object does not match the namespace sent on the request",
        )


def _undecodable(writer: Writer, message: str) -> TenantryError:
    """The error of a document that cannot be read: the fault of who sent it, or of the patch that made it."""
    if not writer.patches:
        return TenantryError(Code.BAD_REQUEST, message)
    return TenantryError(Code.INVALID, f"after the patch {message}", [fielderrors.broken("patch", message)])


def _finish(
    parsed: Manifest, base: Resource, live: Document | None, writer: Writer, *, entries: Any, **columns: Any
) -> Candidate:
    """What the two ways to a new spec have in common: metadata, managed fields, projections."""
    kind = parsed.kind
    meta = _client_meta(parsed.metadata)
    if live:
        meta |= {key: live["metadata"][key] for key in _SERVER_META if key in live["metadata"]}
    new = {"apiVersion": API_VERSION, "kind": kind.name, "metadata": meta, "spec": parsed.spec}
    status = live.get("status", {}) if live else {}
    if status:
        new["status"] = status
    if entries := _entries(kind, live, new, entries, writer):
        new["metadata"] = meta | {"managedFields": entries}
    resource = replace(
        base,
        meta=canonical.dumps(new["metadata"]),
        plan=_plan_of(kind, parsed),
        cells=orjson.dumps(printer.cells(kind, parsed.spec, status)).decode(),
        updated_at=writer.now,
        **columns,
    )
    current = base if live else None
    stored = fit(kind, resource, current, tracked=writer.settled)
    if stored is not resource:  # without its managed fields
        new["metadata"] = meta
    new["spec"] = orjson.loads(stored.spec)  # in which 1.0 has become 1
    return Candidate(
        kind=kind,
        resource=stored,
        current=current,
        typed=parsed.typed,
        difference=difference(live, new),
        labels=meta.get("labels", {}),
        prev_labels=live["metadata"].get("labels", {}) if live else {},
        warnings=(*_unqualified(meta, live), *_unknown(parsed, writer)),
    )


def _client_meta(meta: ObjectMeta) -> Document:
    """The parts of ``meta`` that a client sets, without those that are empty."""
    owners = [each.model_dump(by_alias=True, exclude_none=True) for each in meta.owner_references or ()]
    found = zip(_CLIENT_META, (meta.labels, meta.annotations, meta.finalizers, owners, meta.generate_name), strict=True)
    return {key: value for key, value in found if value}


def _unknown(parsed: Manifest, writer: Writer) -> list[str]:
    return [f"unknown field {quote(path)}" for path in parsed.unknown] if writer.validation == "Warn" else []


def _unqualified(meta: Document, live: Document | None) -> list[str]:
    """Warnings of new finalizers whose names others may come upon as well."""
    known = (*_STANDARD_FINALIZERS, *(live["metadata"].get("finalizers", ()) if live else ()))
    advice = "prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"
    return [
        f"metadata.finalizers: {quote(name)}: {advice}"
        for name in meta.get("finalizers", ())
        if "/" not in name and name not in known
    ]


def _entries(kind: Kind, live: Document | None, new: Document, entries: Any, writer: Writer) -> Any:
    """``metadata.managedFields`` after the write, where they are not settled already."""
    if writer.settled:
        return entries
    if entries is not None:
        new = {**new, "metadata": new["metadata"] | {"managedFields": entries}}
    tracked = ownership.update(
        object_type(kind), live, new, manager=writer.manager, now=writer.now, subresource=writer.subresource
    )
    return tracked["metadata"].get("managedFields")


@cache
def object_type(kind: Kind) -> ObjectType:
    """``kind`` as server-side apply sees it."""
    return compile_schema(API_VERSION, kind.name, schema.document(kind))


def _plan_of(kind: Kind, parsed: Manifest) -> str:
    """The plan that an object refers to: a projection, for fan-out and for the plan's own count."""
    if kind.name == "Tenant":
        return str(parsed.spec["planRef"]["name"])
    if kind.name == "Config":
        return str(parsed.spec["scope"].get("plan", {}).get("ref", ""))
    return ""


def _check_immutable(kind: Kind, meta: Document, live: Document) -> None:
    """Refuse to change what a delete alone sets, and to make another object of this one."""
    errors = []
    if meta.get("uid") not in (None, "", live["uid"]):
        errors.append(fielderrors.invalid("metadata.uid", meta["uid"], "field is immutable"))
    if meta.get("deletionTimestamp") is not None and "deletionTimestamp" not in live:
        errors.append(
            fielderrors.invalid("metadata.deletionTimestamp", meta["deletionTimestamp"], "field is immutable")
        )
    grace = meta.get("deletionGracePeriodSeconds")
    if grace not in (None, live.get("deletionGracePeriodSeconds")):
        detail = "field is immutable; may only be changed via deletion"
        errors.append(fielderrors.invalid("metadata.deletionGracePeriodSeconds", grace, detail))
    if errors:
        raise invalid(kind, live["name"], errors)


def _check_preconditions(kind: Kind, meta: Document, current: Resource, writer: Writer) -> None:
    version, uid = meta.get("resourceVersion"), meta.get("uid")
    if version not in (None, "", "0", str(current.seq)):
        raise modified(kind, current.name)
    if uid not in (None, "", current.uid) and not (writer.patches or writer.settled):
        message = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current.uid}"
        raise TenantryError(Code.CONFLICT, message, kind=kind.name, name=current.name)


def modified(kind: Kind, name: str) -> TenantryError:
    """The CONFLICT of optimistic concurrency."""
    return TenantryError(
        Code.CONFLICT,
        "the object has been modified; please apply your changes to the latest version and try again",
        kind=kind.name,
        name=name,
    )


def _check_finalizers(kind: Kind, meta: ObjectMeta, live: Document) -> None:
    if "deletionTimestamp" not in live:
        return
    added = [item for item in meta.finalizers or () if item not in live.get("finalizers", ())]
    if added:
        shown = ", ".join(f'"{item}"' for item in added)
        message = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{shown}}}"
        )
        raise invalid(kind, live["name"], [FieldError("metadata.finalizers", FieldCode.FORBIDDEN, message)])

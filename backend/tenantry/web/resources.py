"""The resource API: Plans, Tenants and Configs at Kubernetes paths, with Kubernetes semantics.

Handlers parse a request, call one service and render what it returns; ``KINDS`` makes the routes.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from aiohttp import web

from tenantry.model import patches, selectors
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import Permission
from tenantry.model.kinds import KINDS, Address, Kind
from tenantry.model.manifest import Document
from tenantry.model.resource import API_VERSION, Resource
from tenantry.model.selectors import Selector
from tenantry.services.resources import Options, Preconditions, Written
from tenantry.services.transactions import Page, Query
from tenantry.web import bodies, tables, watch
from tenantry.web.negotiation import Accepted, Form, negotiate
from tenantry.web.routes import ACTOR, SERVICES, Handler, Route

_ONE = frozenset({Form.OBJECT, Form.TABLE, Form.METADATA})
_MANY = frozenset({Form.OBJECT, Form.TABLE, Form.METADATA_LIST})
_WATCHED = frozenset({Form.OBJECT, Form.TABLE, Form.METADATA})
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_MANAGER_LENGTH = 128
_VALIDATIONS = ("Ignore", "Warn", "Strict")


Handle = Callable[[web.Request, Address], Any]


async def get(request: web.Request, at: Address) -> web.StreamResponse:
    """GET one object."""
    accepted = negotiate(request.headers.get("Accept", ""), _ONE)
    service = request.app[SERVICES].resources
    resource = await service.get(request[ACTOR], at)
    return _one(at.kind, resource, accepted, request)


async def list_or_watch(request: web.Request, at: Address) -> web.StreamResponse:
    """GET a collection: a page of it, or its changes."""
    if request.query.get("watch", "") in {"1", "true", "True"}:
        return await _watch(request, at)
    accepted = negotiate(request.headers.get("Accept", ""), _MANY)
    query, version = _query(request, at)
    services = request.app[SERVICES]
    if version:
        await services.feed.reach(version)
    page = await services.resources.list(request[ACTOR], query)
    if query.after:
        page = replace(page, seq=version)
    return await _many(at.kind, page, accepted, request)


async def _watch(request: web.Request, at: Address) -> web.StreamResponse:
    accepted = negotiate(request.headers.get("Accept", ""), _WATCHED)
    parameters = request.query
    services = request.app[SERVICES]
    labels, fields = _selectors(at.kind, parameters)
    initial = _flag(parameters, "sendInitialEvents")
    match = parameters.get("resourceVersionMatch")
    _check_initial_events(initial, match)
    version = parameters.get("resourceVersion", "")
    seq = _number("resourceVersion", version)
    query = Query(kind=at.kind, namespace=at.namespace or None, labels=labels, fields=fields)
    visible = await services.resources.visible_fields(request[ACTOR], query)
    scope = watch.Scope(at.kind, query.namespace, labels, visible)
    if initial or (initial is None and seq == 0):
        if seq:
            await services.feed.reach(seq)
        page = await services.resources.list(request[ACTOR], query)
        start = watch.Start(after=page.seq, initial=page, mark_initial=bool(initial))
    elif seq == 0:  # sendInitialEvents=false: from now on
        start = watch.Start(after=services.feed.seq)
    else:
        start = watch.Start(after=seq)
    seconds = parameters.get("timeoutSeconds")
    return await watch.serve(
        request,
        services.feed,
        scope,
        accepted,
        start,
        include=_include(parameters),
        bookmarks=bool(_flag(parameters, "allowWatchBookmarks")),
        timeout=float(_number("timeoutSeconds", seconds)) if seconds else None,
    )


def _check_initial_events(initial: bool | None, match: str | None) -> None:  # noqa: FBT001 - private
    if initial is not None and match != "NotOlderThan":
        message = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise _invalid_options(FieldError("resourceVersionMatch", FieldCode.FORBIDDEN, message))
    if initial is None and match:
        message = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        raise _invalid_options(FieldError("resourceVersionMatch", FieldCode.FORBIDDEN, message))


async def create(request: web.Request, at: Address) -> web.StreamResponse:
    """POST a new object."""
    accepted = negotiate(request.headers.get("Accept", ""), _ONE)
    options = _options(request)
    document = await _document(request)
    meta = _metadata(document)
    namespace = meta.get("namespace")
    if at.kind.namespaced and namespace not in (None, "", at.namespace):
        raise _mismatch("namespace")
    service = request.app[SERVICES].resources
    written = await service.create(request[ACTOR], at, document, options)
    return _written(at.kind, written, accepted, request)


async def update(request: web.Request, at: Address) -> web.StreamResponse:
    """PUT an object in the place of the one at its resourceVersion."""
    accepted = negotiate(request.headers.get("Accept", ""), _ONE)
    options = _options(request)
    document = await _document(request)
    _check_address(_metadata(document), at)
    service = request.app[SERVICES].resources
    written = await service.replace(request[ACTOR], at, document, options)
    return _written(at.kind, written, accepted, request)


async def patch(request: web.Request, at: Address) -> web.StreamResponse:
    """PATCH: a JSON merge patch, a JSON patch, or server-side apply."""
    accepted = negotiate(request.headers.get("Accept", ""), _ONE)
    if request.content_type not in _PATCHES:
        raise TenantryError(
            Code.UNSUPPORTED_MEDIA_TYPE,
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(_PATCHES),
        )
    service = request.app[SERVICES].resources
    if request.content_type == "application/apply-patch+yaml":
        options = _options(request, applies=True)
        config = await _document(request, yaml=True)
        _check_address(_metadata(config), at)
        written = await service.apply(request[ACTOR], at, config, options)
    else:
        options = _options(request)
        body = await bodies.read_json(request)
        change = patches.merge_patch if request.content_type == _PATCHES[1] else patches.json_patch
        written = await service.patch(request[ACTOR], at, lambda document: change(document, body), options)
    return _written(at.kind, written, accepted, request)


async def delete(request: web.Request, at: Address) -> web.StreamResponse:
    """DELETE an object, or mark it while finalizers hold it."""
    accepted = negotiate(request.headers.get("Accept", ""), _ONE)
    body = await bodies.read_json(request) if request.body_exists else {}
    wanted = body if isinstance(body, dict) else {}
    required = wanted.get("preconditions") or {}
    options = _options(request)
    if wanted.get("dryRun"):
        options = replace(options, dry_run=_dry_run(wanted["dryRun"]))
    service = request.app[SERVICES].resources
    written = await service.delete(
        request[ACTOR],
        at,
        Preconditions(uid=required.get("uid"), resource_version=required.get("resourceVersion")),
        options,
    )
    if not written.deleted:
        return _written(at.kind, written, accepted, request)
    gone = written.resource
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": gone.name, "group": "tenantry.dev", "kind": at.kind.plural, "uid": gone.uid},
    }
    return web.Response(body=orjson.dumps(status), content_type="application/json")


# -- what a request says ----------------------------------------------------------------------------------------------


async def _document(request: web.Request, *, yaml: bool = False) -> Document:
    """The object in the body."""
    tree = await (bodies.read_yaml(request) if yaml else bodies.read_json(request))
    if not isinstance(tree, dict):
        raise TenantryError(Code.BAD_REQUEST, "the body must be one object with apiVersion, kind, metadata and spec")
    return tree


def _metadata(document: Document) -> Document:
    meta = document.get("metadata")
    if meta is not None and not isinstance(meta, dict):
        raise TenantryError(Code.BAD_REQUEST, "metadata must be an object")
    return meta or {}


def _check_address(meta: Document, at: Address) -> None:
    if meta.get("name") not in (None, "", at.name):
        raise TenantryError(
            Code.BAD_REQUEST,
            f"the name of the object ({meta['name']}) does not match the name on the URL ({at.name})",
        )
    if at.kind.namespaced and meta.get("namespace") not in (None, "", at.namespace):
        raise _mismatch("namespace")


def _mismatch(part: str) -> TenantryError:
    return TenantryError(
        Code.BAD_REQUEST, f"the {part} of the provided object does not match the {part} sent on the request"
    )


def _options(request: web.Request, *, applies: bool = False) -> Options:
    parameters = request.query
    manager = parameters.get("fieldManager", "")
    path = "fieldManager"
    if applies and not manager:
        raise _invalid_options(FieldError(path, FieldCode.REQUIRED, "Required value: is required for apply patch"))
    if len(manager) > _MANAGER_LENGTH:
        message = f"Too long: may not be more than {_MANAGER_LENGTH} bytes"
        raise _invalid_options(FieldError(path, FieldCode.TOO_LONG, message))
    if not manager.isprintable():
        message = "Invalid value: should only contain printable characters"
        raise _invalid_options(FieldError(path, FieldCode.INVALID, message))
    force = _flag(parameters, "force")
    if force is not None and not applies:
        message = "Forbidden: may not be specified for non-apply patch"
        raise _invalid_options(FieldError("force", FieldCode.FORBIDDEN, message))
    validation = parameters.get("fieldValidation") or "Warn"
    if validation not in _VALIDATIONS:
        known = ", ".join(f'"{name}"' for name in _VALIDATIONS)
        message = f'Unsupported value: "{validation}": supported values: {known}'
        raise _invalid_options(FieldError("fieldValidation", FieldCode.NOT_SUPPORTED, message))
    return Options(
        manager=manager or _agent(request),
        force=bool(force),
        dry_run=_dry_run(parameters.getall("dryRun", [])),
        validation=validation,
    )


def _agent(request: web.Request) -> str:
    """The manager of a client that names none: its User-Agent up to the first slash, as kube-apiserver has it."""
    name = request.headers.get("User-Agent", "").partition("/")[0]
    return "".join(filter(str.isprintable, name))[:_MANAGER_LENGTH] or "unknown"


def _dry_run(values: Any) -> bool:
    wanted = [value for value in values if value] if isinstance(values, list) else [values]
    for value in wanted:
        if value != "All":
            message = f'Unsupported value: {orjson.dumps(value).decode()}: supported values: "All"'
            raise _invalid_options(FieldError("dryRun", FieldCode.NOT_SUPPORTED, message))
    return bool(wanted)


def _invalid_options(error: FieldError) -> TenantryError:
    return TenantryError(Code.INVALID, f"the options are invalid: {error.path}: {error.message}", [error])


def _flag(parameters: Any, name: str) -> bool | None:
    """A boolean query parameter as Kubernetes converts one: anything but false and 0 is true."""
    value = parameters.get(name)
    return None if value is None else value.lower() not in {"false", "0"}


def _number(name: str, text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 18:  # noqa: PLR2004 - below 2^63
        message = f'Invalid value: "{text[:64]}": must be a non-negative integer'
        raise _invalid_options(FieldError(name, FieldCode.INVALID, message))
    return int(text)


def _selectors(kind: Kind, parameters: Any) -> tuple[Selector, Selector]:
    labels = selectors.parse_labels(parameters.get("labelSelector", ""))
    return labels, selectors.parse_fields(parameters.get("fieldSelector", ""), namespaced=kind.namespaced)


def _query(request: web.Request, at: Address) -> tuple[Query, int]:
    """The list that is asked for, and the seq that it must have reached (on a further page: the first page's)."""
    parameters = request.query
    labels, fields = _selectors(at.kind, parameters)
    version = parameters.get("resourceVersion", "")
    seq, match = _number("resourceVersion", version), parameters.get("resourceVersionMatch")
    token = parameters.get("continue")
    if match and match not in {"NotOlderThan", "Exact"}:
        message = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
        raise _invalid_options(FieldError("resourceVersionMatch", FieldCode.NOT_SUPPORTED, message))
    if match and (token or not version):
        message = "Forbidden: resourceVersionMatch is forbidden " + (
            "when continue is provided" if token else "unless resourceVersion is provided"
        )
        raise _invalid_options(FieldError("resourceVersionMatch", FieldCode.FORBIDDEN, message))
    query = Query(
        kind=at.kind,
        namespace=at.namespace or None,
        labels=labels,
        fields=fields,
        limit=_number("limit", parameters.get("limit", "")),
        exact=seq if match == "Exact" else None,
    )
    if not token:
        return query, seq
    if seq:
        raise TenantryError(Code.BAD_REQUEST, "specifying resource version is not allowed when using continue")
    seq, after = _decode_token(token)
    return replace(query, after=after, since=seq), seq


def _include(parameters: Any) -> str:
    include = str(parameters.get("includeObject") or "Metadata")
    if include not in tables.INCLUDE:
        raise TenantryError(Code.BAD_REQUEST, f'unrecognized includeObject value: "{include[:64]}"')
    return include


def _encode_token(seq: int, last: Resource) -> str:
    raw = orjson.dumps({"v": 1, "rv": seq, "after": [last.namespace, last.name]})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        raw = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        seq, (namespace, name) = raw["rv"], raw["after"]
        if not (isinstance(seq, int) and seq >= 0 and isinstance(namespace, str) and isinstance(name, str)):
            raise ValueError  # noqa: TRY301 - one message for every sort of damage
    except (ValueError, KeyError, TypeError):
        raise TenantryError(Code.BAD_REQUEST, "continue key is not valid: it is none that this server gave") from None
    return seq, (namespace, name)


# -- what is answered -------------------------------------------------------------------------------------------------


def _one(kind: Kind, resource: Resource, accepted: Accepted, request: web.Request) -> web.Response:
    if accepted.form is Form.OBJECT:
        text = resource.to_json()
    elif accepted.form is Form.TABLE:
        row = tables.row(kind, resource, time.time(), _include(request.query))
        text = tables.render(kind, [row], seq=str(resource.seq))
    else:
        text = tables.partial(resource)
    return web.Response(body=text.encode(), headers={"Content-Type": accepted.content_type})


async def _many(kind: Kind, page: Page, accepted: Accepted, request: web.Request) -> web.Response:
    token = _encode_token(page.seq, page.items[-1]) if page.more else ""
    if accepted.form is Form.TABLE:
        now, include = time.time(), _include(request.query)
        rows = [tables.row(kind, item, now, include) for item in page.items]
        text = tables.render(kind, rows, seq=str(page.seq), token=token, remaining=page.remaining)
    else:
        show, name, version = (
            (Resource.to_json, f"{kind.name}List", API_VERSION)
            if accepted.form is Form.OBJECT
            else (tables.partial, "PartialObjectMetadataList", "meta.k8s.io/v1")
        )
        meta = orjson.dumps(
            {"resourceVersion": str(page.seq)}
            | ({"continue": token} if token else {})
            | ({"remainingItemCount": page.remaining} if page.remaining is not None else {})
        ).decode()
        items = ",".join(show(item) for item in page.items)
        text = f'{{"apiVersion":"{version}","items":[{items}],"kind":"{name}","metadata":{meta}}}'
    return web.Response(body=text.encode(), headers={"Content-Type": accepted.content_type})


def _written(kind: Kind, written: Written, accepted: Accepted, request: web.Request) -> web.Response:
    response = _one(kind, written.resource, accepted, request)
    if written.created:
        response.set_status(201)
    for warning in written.warnings:
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{text}"')
    return response


def _handler(handle: Handle, kind: Kind, subresource: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        match = request.match_info
        address = Address(kind, match.get("namespace", ""), match.get("name", ""), subresource)
        response: web.StreamResponse = await handle(request, address)
        return response

    return handler


def _routes(kind: Kind) -> list[Route]:
    root = f"/apis/{API_VERSION}"
    collection = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    one = f"{collection}/{{name}}"
    read, write = Permission.RESOURCES_READ, Permission.RESOURCES_WRITE
    routes = [
        ("GET", collection, list_or_watch, "", read),
        ("POST", collection, create, "", write),
        ("GET", one, get, "", read),
        ("PUT", one, update, "", write),
        ("PATCH", one, patch, "", write),
        ("DELETE", one, delete, "", write),
        ("GET", f"{one}/status", get, "status", read),
        ("PUT", f"{one}/status", update, "status", write),
        ("PATCH", f"{one}/status", patch, "status", write),
    ]
    if kind.namespaced:
        routes.append(("GET", f"{root}/{kind.plural}", list_or_watch, "", read))
    return [
        Route(method, path, _handler(handle, kind, subresource), needs=needs)
        for method, path, handle, subresource, needs in routes
    ]


ROUTES = [route for kind in KINDS for route in _routes(kind)]

"""The resource API: Plans, Tenants and Configs at Kubernetes paths, with Kubernetes semantics.

Handlers parse a request, call one service and render what it returns; ``KINDS`` makes the routes.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from typing import Any

import orjson
from aiohttp import web

from tenantry.model import patches
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import KINDS, Address, Kind
from tenantry.model.manifest import Document
from tenantry.model.permissions import Permission
from tenantry.model.resource import API_VERSION, Resource
from tenantry.services.resources.candidate import check_address
from tenantry.services.resources.crud import Written
from tenantry.services.resources.transactions import Page, Query
from tenantry.web import bodies
from tenantry.web.kubernetes import options, tables, watch
from tenantry.web.kubernetes.negotiation import Accepted, Form, negotiate
from tenantry.web.kubernetes.views import Scope, View
from tenantry.web.query import flag
from tenantry.web.routes import ACTOR, SERVICES, Handler, Route

_ONE = frozenset({Form.OBJECT, Form.TABLE, Form.METADATA})
_MANY = frozenset({Form.OBJECT, Form.TABLE, Form.METADATA_LIST})
_WATCHED = frozenset({Form.OBJECT, Form.TABLE, Form.METADATA})
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")

#: in the place of the first page's resourceVersion, in a token that continues a list as it is by now
_NOW = -1
_INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)

#: characters of one warning and of all, from where on they are cut; and how many there are, because Python's own
#: HTTP client takes a hundred headers
_WARNING, _WARNINGS, _MANY_WARNINGS = 256, 4096, 64

Handle = Callable[[web.Request, Address], Any]


async def get(request: web.Request, at: Address) -> web.StreamResponse:
    """GET one object."""
    accepted = negotiate(request.headers.get("Accept", ""), _ONE)
    services = request.app[SERVICES]
    if version := options.read_version(request.query):
        await services.feed.reach(version)
    resource = await services.resources.get(request[ACTOR], at)
    return _one(at.kind, resource, accepted, request)


async def list_or_watch(request: web.Request, at: Address) -> web.StreamResponse:
    """GET a collection: a page of it, or its changes; HEAD never waits for those."""
    if flag(request.query, "watch") and request.method == "GET":
        return await _watch(request, at)
    accepted = negotiate(request.headers.get("Accept", ""), _MANY)
    query, version = _query(request, at)
    services = request.app[SERVICES]
    if version:
        await services.feed.reach(version)
    with _resumable(query):
        page = await services.resources.list(request[ACTOR], query)
    return await _many(at.kind, page, accepted, request)


async def _watch(request: web.Request, at: Address) -> web.StreamResponse:
    accepted = negotiate(request.headers.get("Accept", ""), _WATCHED)
    services = request.app[SERVICES]
    asked = options.read_listing(at.kind, request.query, watch=True)
    query = Query(kind=at.kind, namespace=at.namespace or None, labels=asked.labels, fields=asked.fields)
    actor, service = request[ACTOR], services.resources
    scope = Scope(at.kind, query.namespace, asked.labels, asked.fields, actor.tenant_id)
    if asked.initial or (asked.initial is None and asked.seq == 0):
        if asked.seq:
            await services.feed.reach(asked.seq)
        start = watch.Start(
            after=await service.seq(),
            state=lambda after, limit: service.list(actor, replace(query, after=after, limit=limit)),
            mark_initial=bool(asked.initial),
        )
    elif asked.seq == 0:  # sendInitialEvents=false: from now on
        start = watch.Start(after=services.feed.seq)
    else:
        start = watch.Start(after=asked.seq)
    return await watch.serve(
        request,
        services.feed,
        View(scope, accepted.form, _include(request.query)),
        start,
        bookmarks=bool(flag(request.query, "allowWatchBookmarks")),
        timeout=asked.timeout,
    )


async def create(request: web.Request, at: Address) -> web.StreamResponse:
    """POST a new object."""
    accepted = negotiate(request.headers.get("Accept", ""), _ONE)
    wanted = options.read_write(request, "CreateOptions")
    document = await _document(request)
    check_address(replace(at, name=""), _metadata(document))
    service = request.app[SERVICES].resources
    written = await service.create(request[ACTOR], at, document, wanted)
    return _written(at.kind, written, accepted, request)


async def update(request: web.Request, at: Address) -> web.StreamResponse:
    """PUT an object in the place of the one at its resourceVersion."""
    accepted = negotiate(request.headers.get("Accept", ""), _ONE)
    wanted = options.read_write(request, "UpdateOptions")
    document = await _document(request)
    check_address(at, _metadata(document))
    service = request.app[SERVICES].resources
    written = await service.replace(request[ACTOR], at, document, wanted)
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
        wanted = options.read_write(request, "PatchOptions", applies=True)
        config = _checked(await bodies.read_yaml(request))
        written = await service.apply(request[ACTOR], at, config, wanted)
    else:
        wanted = options.read_write(request, "PatchOptions")
        body = await bodies.read_json(request)
        change = patches.merge_patch if request.content_type == _PATCHES[1] else patches.json_patch
        written = await service.patch(request[ACTOR], at, change, body, wanted)
    return _written(at.kind, written, accepted, request)


async def delete(request: web.Request, at: Address) -> web.StreamResponse:
    """DELETE an object, or mark it while finalizers hold it."""
    accepted = negotiate(request.headers.get("Accept", ""), _ONE)
    deletion = options.read_deletion(request, await bodies.read_object(request) if request.body_exists else None)
    service = request.app[SERVICES].resources
    written = await service.delete(request[ACTOR], at, deletion.preconditions, deletion.options)
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


async def delete_collection(request: web.Request, at: Address) -> web.StreamResponse:
    """DELETE what a list with the same selectors would show."""
    accepted = negotiate(request.headers.get("Accept", ""), _MANY)
    deletion = options.read_deletion(request, await bodies.read_object(request) if request.body_exists else None)
    query, _ = _query(request, at)
    service = request.app[SERVICES].resources
    with _resumable(query):
        page = await service.delete_all(request[ACTOR], query, deletion.preconditions, deletion.options)
    return await _many(at.kind, page, accepted, request)


# -- what a request says ----------------------------------------------------------------------------------------------


async def _document(request: web.Request) -> Document:
    """The object in the body."""
    return _checked(await bodies.read_object(request))


def _checked(tree: Any) -> Document:
    if not isinstance(tree, dict):
        raise TenantryError(Code.BAD_REQUEST, "the body must be one object with apiVersion, kind, metadata and spec")
    _metadata(tree)
    return tree


def _metadata(document: Document) -> Document:
    meta = document.get("metadata")
    if meta is not None and not isinstance(meta, dict):
        raise TenantryError(Code.BAD_REQUEST, "metadata must be an object")
    return meta or {}


def _query(request: web.Request, at: Address) -> tuple[Query, int]:
    """The list that is asked for, and the seq that it must have reached (on a further page: the first page's)."""
    asked = options.read_listing(at.kind, request.query, watch=False)
    query = Query(
        kind=at.kind,
        namespace=at.namespace or None,
        labels=asked.labels,
        fields=asked.fields,
        limit=asked.limit,
        exact=asked.seq if asked.match == options.EXACT else None,
    )
    if not asked.token:
        return query, asked.seq
    if asked.seq:
        raise TenantryError(Code.BAD_REQUEST, "specifying resource version is not allowed when using continue")
    seq, after = _decode_token(asked.token)
    return replace(query, after=after, since=seq), seq


@contextmanager
def _resumable(query: Query) -> Iterator[None]:
    """Tell whose token has expired how kube-apiserver lets the list go on: from there, as it is by now."""
    try:
        yield
    except TenantryError as error:
        if error.code is not Code.EXPIRED or not query.after:
            raise
        raise TenantryError(Code.EXPIRED, _INCONSISTENT, resume=_encode_token(_NOW, query.after)) from error


def _include(parameters: Any) -> str:
    include = str(parameters.get("includeObject") or "Metadata")
    if include not in tables.INCLUDE:
        raise TenantryError(Code.BAD_REQUEST, f'unrecognized includeObject value: "{include[:64]}"')
    return include


def _encode_token(seq: int, after: tuple[str, str]) -> str:
    raw = orjson.dumps({"v": 1, "rv": seq, "after": after})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        raw = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        seq, (namespace, name) = raw["rv"], raw["after"]
        if not (isinstance(seq, int) and seq >= _NOW and isinstance(namespace, str) and isinstance(name, str)):
            raise ValueError  # noqa: TRY301 - one message for every sort of damage
    except (ValueError, KeyError, TypeError):
        raise TenantryError(Code.BAD_REQUEST, "continue key is not valid: it is none that this server gave") from None
    return max(seq, 0), (namespace, name)


# -- what is answered -------------------------------------------------------------------------------------------------


def _one(kind: Kind, resource: Resource, accepted: Accepted, request: web.Request) -> web.Response:
    if accepted.form is Form.OBJECT:
        text = resource.to_json()
    elif accepted.form is Form.TABLE:
        row = tables.row(kind, resource, time.time(), _include(request.query))
        text = tables.render(kind, [row], seq=str(resource.seq))
    else:
        text = tables.partial(resource)
    return web.Response(body=text.encode(), content_type="application/json")


async def _many(kind: Kind, page: Page, accepted: Accepted, request: web.Request) -> web.Response:
    token = _encode_token(page.seq, (page.items[-1].namespace, page.items[-1].name)) if page.more else ""
    if accepted.form is Form.TABLE:
        now, include = time.time(), _include(request.query)
        rows = [tables.row(kind, item, now, include) for item in page.items]
        text = tables.render(kind, rows, seq=str(page.seq), token=token)
    else:
        show, name, version = (
            (Resource.to_json, f"{kind.name}List", API_VERSION)
            if accepted.form is Form.OBJECT
            else (tables.partial, "PartialObjectMetadataList", "meta.k8s.io/v1")
        )
        meta = orjson.dumps({"resourceVersion": str(page.seq)} | ({"continue": token} if token else {})).decode()
        items = ",".join(show(item) for item in page.items)
        text = f'{{"apiVersion":"{version}","items":[{items}],"kind":"{name}","metadata":{meta}}}'
    return web.Response(body=text.encode(), content_type="application/json")


def _written(kind: Kind, written: Written, accepted: Accepted, request: web.Request) -> web.Response:
    response = _one(kind, written.resource, accepted, request)
    if written.created:
        response.set_status(201)
    for warning in _fitting(written.warnings):
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{text}"')
    return response


def _fitting(warnings: Sequence[str]) -> Iterator[str]:
    """As many of ``warnings`` as a client takes in headers: cut, and then left out, as kube-apiserver does it."""
    warnings = warnings[:_MANY_WARNINGS]
    total = sum(map(len, warnings))
    shown = [warning[:_WARNING] for warning in warnings] if total > _WARNINGS else warnings
    lengths = accumulate(map(len, shown))
    return (warning for warning, length in zip(shown, lengths, strict=True) if length <= _WARNINGS)


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
        ("DELETE", collection, delete_collection, "", write),
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

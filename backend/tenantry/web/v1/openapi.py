"""The OpenAPI 3.1 document of the application API, made from what its routes declare.

The Kubernetes paths have a document of their own, in the form that kubectl reads (``kubernetes/openapi.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import Field
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from tenantry import __version__
from tenantry.model import schema
from tenantry.model.errors import Code, FieldCode
from tenantry.model.fields import Model, View
from tenantry.model.kinds import KINDS, Kind
from tenantry.model.objectmeta import ObjectMeta
from tenantry.model.permissions import Permission
from tenantry.web.routes import PLACE, SERVICES, Operation, Route, Whole
from tenantry.web.v1.conventions import is_body_required

Document = dict[str, Any]

PATH = "/openapi.json"
_REFERENCES = "#/components/schemas/{model}"
_PLACES: dict[str, Document] = {
    "name": {"description": "Name of the object.", "schema": {"type": "string"}},
    "namespace": {"description": "Namespace of the object.", "schema": {"type": "string"}},
    "revision": {"description": "Number of the revision.", "schema": {"type": "integer", "minimum": 1}},
    "tenant": {"description": "Name of the tenant.", "schema": {"type": "string"}},
    "user": {"description": "Identity of the user.", "schema": {"type": "string"}},
    "client": {"description": "Identity of the OAuth client.", "schema": {"type": "string"}},
    "secret": {"description": "Identity of the secret.", "schema": {"type": "string"}},
    "session": {"description": "Identity of the session.", "schema": {"type": "string"}},
    "delivery": {"description": "Identity of the delivery.", "schema": {"type": "string"}},
    "id": {"description": "Identity of what the path is about.", "schema": {"type": "string"}},
}
_TAGS = {
    "plans": "The tiers that tenants are on.",
    "tenants": "Customer organisations.",
    "configs": "Layers of configuration and flags.",
    "audit": "Who did what, and who was refused what.",
    "tombstones": "Deleted tenants, and their names.",
    "keys": "API keys.",
    "clients": "OAuth clients.",
    "webhooks": "Who is told of what, by HTTP.",
    "identity-providers": "Where people may sign in, beside here.",
    "service-accounts": "Programs with rights of their own.",
    "me": "Whom the server takes the caller for, and what people decide about themselves.",
    "users": "Everybody who has an account.",
}
_ABOUT = """\
What frontends and integrations use. Plans, Tenants and Configs are written at their Kubernetes paths, \
`/apis/tenantry.dev/v1alpha1/...`, with any Kubernetes client; `/openapi/v3` describes those.

- Errors are problem documents (RFC 9457) with a stable `code`.
- Every GET has an `ETag` and knows `If-None-Match`; a write that changes one object knows `If-Match`.
- A POST knows `Idempotency-Key`: the same key gets the same answer for 24 hours, and nothing is done twice.
- Lists are paged by cursor: `next` of a page is `cursor` of the one after.
"""


class FieldProblem(View):
    """One thing that is wrong with a request."""

    path: str
    """The field or parameter, as `spec.namespaces[0].name`."""
    code: FieldCode
    """Why, as one word that programs may compare."""
    message: str
    """Why, and what to do."""


class Problem(View):
    """Why a request was not done (RFC 9457)."""

    type: str
    """A URI of the sort of problem."""
    title: str
    """The sort of problem, for people."""
    status: int
    """The HTTP status code."""
    detail: str
    """What is wrong, and what to do."""
    code: Code
    """The sort of problem, stable, for programs."""
    errors: list[FieldProblem] | None = None
    """Each thing that is wrong."""
    request_id: Annotated[str, Field(alias="request_id")]
    """The request's `X-Request-ID`: the server's log has it."""


def document(routes: Iterable[Route], server: str = "/") -> Document:
    """The document of those of ``routes`` that declare an operation.

    Args:
        routes: the routes of the application.
        server: the URL under which clients reach it.
    """
    told = [(route, route.operation) for route in routes if route.operation]
    tags = {_tag(route.path) for route, _ in told}
    paths: dict[str, Document] = {}
    for route, operation in told:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tenantry",
            "summary": "The application API",
            "description": _ABOUT,
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items() if name in tags],
        "paths": paths,
        "components": {
            "schemas": _schemas(operation for _, operation in told),
            "parameters": _headers(),
            "responses": {
                "Problem": {
                    "description": "It was not done.",
                    "content": {"application/problem+json": {"schema": _reference("Problem")}},
                }
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (`tnk_...`), an access token, or a ServiceAccount token of a cluster.",
                }
            },
        },
    }


def _operation(route: Route, operation: Operation) -> Document:
    found: Document = {
        "operationId": operation.name,
        "tags": [_tag(route.path)],
        "summary": operation.summary,
        "parameters": [*_path_parameters(route.path), *_query_parameters(operation), *_header_parameters(route)],
        "responses": _responses(route, operation),
        "security": [] if route.needs is Permission.PUBLIC else [{"bearer": [str(route.needs)]}],
    }
    if operation.description:
        found["description"] = operation.description
    if operation.body:
        content = {"application/json": {"schema": _reference(operation.body.__name__)}}
        found["requestBody"] = {"required": is_body_required(operation.body), "content": content}
    return found


def _tag(path: str) -> str:
    """What a path is about: its first part that is neither a place nor a namespace."""
    parts = [part for part in path.split("/") if part and not part.startswith("{")]
    return next(part for part in parts if part not in {"v1", "namespaces"})


def _path_parameters(path: str) -> list[Document]:
    return [{"name": name, "in": "path", "required": True, **_PLACES[name]} for name in PLACE.findall(path)]


def _query_parameters(operation: Operation) -> Iterator[Document]:
    if operation.query is None:
        return
    source = operation.query.model_json_schema(by_alias=True)
    for name, field in source["properties"].items():
        text = field.pop("description", "")
        required = name in source.get("required", ())
        yield {"name": name, "in": "query", "required": required, "description": text, "schema": _tidy(field)}


def _header_parameters(route: Route) -> Iterator[Document]:
    if route.method == "GET":
        names = ["IfNoneMatch"]
    else:
        names = ["IdempotencyKey"] * (route.method == "POST")
        names += ["IfMatch"] * bool(route.operation and route.operation.conditional)
    for name in names:
        yield {"$ref": f"#/components/parameters/{name}"}


def _headers() -> Document:
    texts = {
        "If-None-Match": "Entity tags that the caller has: 304 when one of them is still right.",
        "If-Match": "Entity tags of which the object must still have one: 412 otherwise.",
        "Idempotency-Key": "1 to 255 printable characters, new for each thing that is to be done once.",
    }
    more = {"Idempotency-Key": {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}}
    return {
        name.replace("-", ""): {
            "name": name,
            "in": "header",
            "description": text,
            "schema": {"type": "string", **more.get(name, {})},
        }
        for name, text in texts.items()
    }


def _responses(route: Route, operation: Operation) -> Document:
    content = {"application/json": {"schema": _answer(operation.answer)}}
    good: Document = {"description": HTTPStatus(operation.status).phrase, "content": content}
    codes = [400, 401, 403]
    reads = route.method == "GET"
    if reads:
        good["headers"] = {"ETag": {"description": "Its entity tag.", "required": True, "schema": {"type": "string"}}}
    if PLACE.search(route.path):
        codes.append(404)
    if not reads:
        codes += [409, 412] if operation.conditional else [409]
    if operation.body:
        codes += [413, 415]
    if not reads:
        codes.append(422)
    problem = {"$ref": "#/components/responses/Problem"}
    unchanged = {"304": {"description": "It is as the caller has it."}} if reads else {}
    return {str(operation.status): good, **unchanged, **{str(code): problem for code in codes}, "default": problem}


def _answer(answer: type[Model] | Whole) -> Document:
    if not isinstance(answer, Whole):
        return _reference(answer.__name__)
    return _reference(f"{answer.kind.name}List" if answer.many else answer.kind.name)


def _schemas(operations: Iterable[Operation]) -> Document:
    models: dict[tuple[type[Model], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for operation in operations:
        if operation.body:
            models[operation.body, "validation"] = None
        if not isinstance(operation.answer, Whole):
            models[operation.answer, "serialization"] = None
    _, source = models_json_schema(list(models), by_alias=True, ref_template=_REFERENCES)
    schemas = {name: _tidy(found) for name, found in source["$defs"].items()}
    for kind in KINDS:
        schemas |= _whole(kind)
    return dict(sorted(schemas.items()))


def _whole(kind: Kind) -> Document:
    """The schemas of an object and of a page of them."""
    one = schema.document(kind)
    metadata = schema.structural(ObjectMeta)
    items = {"type": "array", "items": _reference(kind.name), "description": "The objects."}
    following = {"type": "string", "description": "The cursor of the next page, when there is one."}
    return {
        kind.name: one | {"properties": one["properties"] | {"metadata": metadata}},
        f"{kind.name}List": {
            "type": "object",
            "description": f"A page of {kind.plural}, ordered by namespace and name.",
            "required": ["items"],
            "properties": {"items": items, "next": following},
            "additionalProperties": False,
        },
    }


def _tidy(node: Any) -> Any:
    """A schema of pydantic's without what says nothing; what may be null is left out instead."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {
        key: {name: _tidy(child) for name, child in value.items()} if key == "properties" else _tidy(value)
        for key, value in node.items()
        if key != "title" and (key, value) != ("default", None)
    }
    optional = node.get("default", "") is None and "anyOf" in found
    branches = [branch for branch in found.get("anyOf", ()) if not (optional and branch == {"type": "null"})]
    if optional and len(branches) == 1:
        del found["anyOf"]
        return {**branches[0], **found}
    return found


def _reference(name: str) -> Document:
    return {"$ref": _REFERENCES.format(model=name)}


@cache
def _rendered(routes: tuple[Route, ...], server: str) -> tuple[bytes, str]:
    body = orjson.dumps(document(routes, server))
    return body, hashlib.sha256(body).hexdigest()[:32]


def route(routes: tuple[Route, ...]) -> Route:
    """The route that answers the document of ``routes``."""

    async def get(request: web.Request) -> web.Response:
        body, tag = _rendered(routes, request.app[SERVICES].settings.external_url or "/")
        headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
        if any(known.value in {"*", tag} for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="application/json", headers=headers)

    return Route("GET", PATH, get, needs=Permission.PUBLIC)

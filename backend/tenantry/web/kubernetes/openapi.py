"""The OpenAPI document of the resource API, as ``kubectl explain``, ``apply`` and ``diff`` read it.

kube-apiserver's document for our CRDs is the reference: schemas named by group and kind, the group-version-kind on
schemas and operations, ``fieldValidation`` on writes, and exactly the patch types that are served.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import orjson
from aiohttp import web

from tenantry.model import schema
from tenantry.model.kinds import KINDS, Kind
from tenantry.model.permissions import Permission
from tenantry.model.resource import API_VERSION, GROUP, VERSION
from tenantry.web.routes import Route

Document = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_PATCHES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_BODIES = ("application/json", "application/yaml")


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _string(description: str, **more: Any) -> Document:
    return {"type": "string", "description": description, **more}


def _object_meta() -> Document:
    strings = {"type": "object", "additionalProperties": {"type": "string", "default": ""}}
    properties = {
        "name": _string("Name of the object, unique within its kind (and namespace); cannot be changed."),
        "generateName": _string("Prefix from which the server makes a name, when `name` is not set."),
        "namespace": _string("Namespace of the object; empty for a kind without namespaces."),
        "uid": _string("Identity of this object in time and space; made by the server."),
        "resourceVersion": _string("Change number of the object; give it back to be told of a lost race."),
        "generation": {"type": "integer", "format": "int64", "description": "Counts the changes of `spec`."},
        "creationTimestamp": _string("When the object was created.", format="date-time"),
        "deletionTimestamp": _string("When the object was deleted, while finalizers hold it.", format="date-time"),
        "deletionGracePeriodSeconds": {
            "type": "integer",
            "format": "int64",
            "description": "Seconds between the request to delete and the deletion.",
        },
        "labels": strings | {"description": "Names and values by which objects are selected."},
        "annotations": strings | {"description": "Names and values that others keep with the object."},
        "finalizers": {
            "type": "array",
            "items": {"type": "string", "default": ""},
            "description": "Names of those who must act before the object goes.",
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "ownerReferences": {
            "type": "array",
            "items": {"allOf": [_reference(f"{_META}.OwnerReference")], "default": {}},
            "description": "Objects that this one belongs to.",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-list-type": "map",
            "x-kubernetes-patch-merge-key": "uid",
            "x-kubernetes-patch-strategy": "merge",
        },
        "managedFields": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Who set which field; kept by the server for server-side apply.",
            "x-kubernetes-list-type": "atomic",
        },
    }
    return {"type": "object", "description": "Metadata that every object has.", "properties": properties}


def _owner_reference() -> Document:
    names = ("apiVersion", "kind", "name", "uid")
    return {
        "type": "object",
        "description": "An object that this one belongs to.",
        "required": list(names),
        "properties": {
            **{name: _string(f"`{name}` of the owner.") for name in names},
            "controller": {"type": "boolean", "description": "Whether the owner is the managing controller."},
            "blockOwnerDeletion": {"type": "boolean", "description": "Whether it holds up the owner's deletion."},
        },
        "x-kubernetes-map-type": "atomic",
    }


def _list_meta() -> Document:
    return {
        "type": "object",
        "description": "Metadata of a list.",
        "properties": {
            "resourceVersion": _string("Change number that the list is at least as new as; a watch starts from it."),
            "continue": _string("Token for the next page; empty on the last."),
            "remainingItemCount": {"type": "integer", "format": "int64", "description": "Objects on further pages."},
        },
    }


def _gvk(kind: Kind, suffix: str = "") -> Document:
    return {"group": GROUP, "version": VERSION, "kind": f"{kind.name}{suffix}"}


def _name(kind: Kind, suffix: str = "") -> str:
    return f"dev.tenantry.{VERSION}.{kind.name}{suffix}"


def _schemas() -> Document:
    schemas = {
        f"{_META}.ObjectMeta": _object_meta(),
        f"{_META}.OwnerReference": _owner_reference(),
        f"{_META}.ListMeta": _list_meta(),
        f"{_META}.Status": {"type": "object", "description": "The outcome of a request that returns no object."},
    }
    for kind in KINDS:
        document = schema.document(kind)
        metadata = {"allOf": [_reference(f"{_META}.ObjectMeta")], "description": "Standard object's metadata."}
        schemas[_name(kind)] = {
            **document,
            "properties": document["properties"] | {"metadata": metadata},
            "x-kubernetes-group-version-kind": [_gvk(kind)],
        }
        items = {"type": "array", "items": _reference(_name(kind)), "description": f"List of {kind.plural}."}
        strings = {"apiVersion": _string(""), "kind": _string("")}
        schemas[_name(kind, "List")] = {
            "type": "object",
            "description": f"{kind.name}List is a list of {kind.name}",
            "required": ["items"],
            "properties": {**strings, "metadata": _reference(f"{_META}.ListMeta"), "items": items},
            "x-kubernetes-group-version-kind": [_gvk(kind, "List")],
        }
    return schemas


def _query(name: str, type_: str, description: str) -> Document:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": type_, "uniqueItems": True},
    }


_FIELD_MANAGER = _query("fieldManager", "string", "Name under which changed fields are tracked.")
_WRITE = [
    _query("dryRun", "string", "`All`: do everything but store the result."),
    _FIELD_MANAGER,
    _query("fieldValidation", "string", "Unknown fields: `Ignore`, `Warn` (default) or `Strict`."),
]
_FORCE = _query("force", "boolean", "Server-side apply: take fields over from other managers.")
_SELECTION = [
    _query("labelSelector", "string", "Restrict it by labels."),
    _query("fieldSelector", "string", "Restrict it by `metadata.name` and `metadata.namespace`."),
]
_LIST = [
    *_SELECTION,
    _query("limit", "integer", "Objects on a page."),
    _query("continue", "string", "Token of the page before."),
    _query("resourceVersion", "string", "Change number that the answer must have reached."),
    _query("resourceVersionMatch", "string", "How `resourceVersion` is meant: `NotOlderThan` or `Exact`."),
    _query("watch", "boolean", "Stream the changes instead."),
    _query("allowWatchBookmarks", "boolean", "Whether a watch may send bookmarks."),
    _query("sendInitialEvents", "boolean", "Whether a watch starts with the state."),
    _query("timeoutSeconds", "integer", "Duration of a watch."),
]


def _content(reference: Document, types: tuple[str, ...] = _BODIES) -> Document:
    return {"content": {media: {"schema": reference} for media in types}}


def _operation(kind: Kind, action: str, name: str, answer: str, **more: Any) -> Document:
    answers = {"200": {"description": "OK", **_content(_reference(answer), ("application/json",))}}
    if action == "post":
        answers["201"] = {"description": "Created", **_content(_reference(answer), ("application/json",))}
    answers["401"] = {"description": "Unauthorized"}
    return {
        "operationId": name,
        "responses": answers,
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(kind),
        **more,
    }


def _paths(kind: Kind) -> Document:
    root = f"/apis/{API_VERSION}"
    collection = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    title = ("Namespaced" if kind.namespaced else "") + kind.name
    one, many = _name(kind), _name(kind, "List")
    body = {"requestBody": {"required": True, **_content(_reference(one))}}
    patch = {"requestBody": {"required": True, **_content({"type": "object"}, _PATCHES)}}
    place = [
        {"name": "namespace", "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
    ] * kind.namespaced
    named = [
        *place,
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}},
    ]

    def writes(suffix: str) -> Document:
        return {
            "get": _operation(kind, "get", f"read{title}{suffix}", one),
            "put": _operation(kind, "put", f"replace{title}{suffix}", one, parameters=_WRITE, **body),
            "patch": _operation(kind, "patch", f"patch{title}{suffix}", one, parameters=[*_WRITE, _FORCE], **patch),
        }

    paths = {
        collection: {
            "get": _operation(kind, "list", f"list{title}", many, parameters=_LIST),
            "post": _operation(kind, "post", f"create{title}", one, parameters=_WRITE, **body),
            "delete": _operation(kind, "deletecollection", f"deleteCollection{title}", many, parameters=_SELECTION),
            "parameters": place,
        },
        f"{collection}/{{name}}": {
            **writes(""),
            "delete": _operation(kind, "delete", f"delete{title}", f"{_META}.Status"),
            "parameters": named,
        },
        f"{collection}/{{name}}/status": {**writes("Status"), "parameters": named},
    }
    if kind.namespaced:
        paths[f"{root}/{kind.plural}"] = {
            "get": _operation(kind, "list", f"list{kind.name}ForAllNamespaces", many, parameters=_LIST)
        }
    return paths


def document() -> Document:
    """The whole document."""
    return {
        "openapi": "3.0.0",
        "info": {"title": "Tenantry", "version": VERSION},
        "paths": {path: item for kind in KINDS for path, item in _paths(kind).items()},
        "components": {"schemas": _schemas()},
    }


@cache
def _rendered() -> tuple[bytes, bytes, str]:
    """The index, the document and its tag; made at the first request, so that starting the server does not wait."""
    body = orjson.dumps(document())
    tag = hashlib.sha256(body).hexdigest()[:32].upper()
    index = {"paths": {f"apis/{API_VERSION}": {"serverRelativeURL": f"{_PATH}?hash={tag}"}}}
    return orjson.dumps(index), body, tag


async def _index(request: web.Request) -> web.Response:  # noqa: ARG001 - the same for everybody
    return web.Response(body=_rendered()[0], content_type="application/json")


async def _document(request: web.Request) -> web.Response:
    _, body, tag = _rendered()
    headers = {"ETag": f'"{tag}"'}
    if tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


async def _no_swagger(request: web.Request) -> web.Response:
    """OpenAPI v2, which describes nothing: kubectl asks for it when v3 lacks a kind, and then says that it does.

    kubectl takes the protobuf form only (gnostic's ``OpenAPIv2.proto``), others JSON.
    """
    if "protobuf" not in request.headers.get("Accept", ""):
        info = {"title": "Tenantry", "version": VERSION}
        return web.Response(
            body=orjson.dumps({"swagger": "2.0", "info": info, "paths": {}}), content_type="application/json"
        )
    about = _field(1, b"Tenantry") + _field(2, VERSION.encode())
    return web.Response(
        body=_field(1, b"2.0") + _field(2, about) + _field(8, b""),
        content_type="application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    )


def _field(number: int, content: bytes) -> bytes:
    """A short field of a protobuf message, of wire type 2."""
    return bytes([number << 3 | 2, len(content)]) + content


_PATH = f"/openapi/v3/apis/{API_VERSION}"

ROUTES = [
    Route("GET", "/openapi/v2", _no_swagger, needs=Permission.PUBLIC),
    Route("GET", "/openapi/v3", _index, needs=Permission.PUBLIC),
    Route("GET", _PATH, _document, needs=Permission.PUBLIC),
]

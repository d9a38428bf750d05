"""Records over HTTP: what a cluster's operator says about the cluster's own objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenantry.model import names
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.kinds import KINDS, PLAN, Address, Kind
from tenantry.model.permissions import Permission
from tenantry.services.offload import offload
from tenantry.services.resources.records import Record, Source
from tenantry.web import bodies
from tenantry.web.routes import ACTOR, SERVICES, Handler, Route

#: what the operator sums up itself, over conditions that only it knows
_SUMMARIES = frozenset({"Ready", "Suspended"})


class _Body(BaseModel):
    """What every message says of the object that it is about."""

    model_config = ConfigDict(extra="forbid", strict=True)

    instance: Annotated[str, Field(min_length=1, max_length=36)]
    uid: Annotated[str, Field(min_length=1, max_length=36)]
    generation: Annotated[int, Field(ge=0)]


class ObjectBody(_Body):
    """An object as its cluster has it."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    spec: dict[str, Any]
    replaces: Annotated[str, Field(max_length=36)] = ""
    tenant_id: Annotated[str, Field(pattern=names.UID, alias="tenantID")] = ""
    tenant: Annotated[str, Field(max_length=40)] = ""


class StatusBody(_Body):
    """The status that the operator has given it."""

    status: dict[str, Any]


async def get_instance(request: web.Request) -> web.Response:
    """Tell which database this is."""
    cluster = request.match_info["cluster"]
    return _json({"instance": await request.app[SERVICES].records.instance(request[ACTOR], cluster)})


async def put(request: web.Request, at: Address) -> web.Response:
    """Bring the record up to the object."""
    body = await _read(request, ObjectBody)
    source = _source(request, body)
    source = replace(source, replaces=body.replaces, tenant_id=body.tenant_id, tenant=body.tenant)
    metadata = {"labels": body.labels, "annotations": body.annotations}
    document = {"metadata": metadata, "spec": body.spec}
    record = await request.app[SERVICES].records.put(request[ACTOR], at, source, document)
    return _json(_rendered(record))


async def put_status(request: web.Request, at: Address) -> web.Response:
    """Store the operator's status."""
    body = await _read(request, StatusBody)
    service = request.app[SERVICES].records
    changed = await service.put_status(request[ACTOR], at, _source(request, body), body.status)
    return _json({"changed": changed})


async def delete(request: web.Request, at: Address) -> web.Response:
    """Remove the record, or with ``orphan=true`` keep it without its object."""
    missing = [name for name in ("instance", "uid") if not request.query.get(name)]
    if missing:
        errors = [FieldError(name, FieldCode.REQUIRED, "Required value") for name in missing]
        raise TenantryError(Code.BAD_REQUEST, f"the query needs {' and '.join(missing)}", errors)
    query, cluster = request.query, request.match_info["cluster"]
    source = Source(cluster=cluster, instance=query["instance"], uid=query["uid"])
    service = request.app[SERVICES].records
    leave = service.orphan if query.get("orphan") == "true" else service.delete
    await leave(request[ACTOR], at, source)
    return _json({"deleted": True})


async def _read(request: web.Request, model: type[Any]) -> Any:
    tree = await bodies.read_json(request)
    return await offload(tree, _checked, model, tree)


def _checked(model: type[Any], tree: Any) -> Any:
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        fields = [
            FieldError(".".join(map(str, details["loc"])), FieldCode.INVALID, details["msg"])
            for details in error.errors(include_url=False, include_input=False)
        ]
        raise TenantryError(Code.BAD_REQUEST, "the body is not what is expected here", fields) from None


def _source(request: web.Request, body: _Body) -> Source:
    cluster = request.match_info["cluster"]
    return Source(cluster=cluster, instance=body.instance, uid=body.uid, generation=body.generation)


def _rendered(record: Record) -> dict[str, Any]:
    """The answer: what the API knows that the operator cannot, with conditions as far as the API can tell."""
    parts = ("type", "status", "reason", "message")
    theirs = _SUMMARIES if record.resource.kind != PLAN.name else frozenset()
    conditions = [
        {part: condition[part] for part in parts}
        for condition in record.status["conditions"]
        if condition["type"] not in theirs
    ]
    return {
        "uid": record.resource.source_uid,
        "tenantID": record.resource.tenant_id or None,
        "revision": record.revision,
        "seq": record.resource.seq,
        "changed": record.changed,
        "conditions": conditions,
        "hostnames": record.status.get("hostnames", []),
        "plan": record.status.get("plan"),
        "tenants": record.status.get("tenants", 0),
    }


def _json(document: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")


def _handler(handle: Callable[[web.Request, Address], Awaitable[web.Response]], kind: Kind) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        match = request.match_info
        return await handle(request, Address(kind, match.get("namespace", ""), match["name"]))

    return handler


def _routes(kind: Kind) -> list[Route]:
    namespace = "/namespaces/{namespace}" if kind.namespaced else ""
    path = f"/v1/clusters/{{cluster}}{namespace}/{kind.plural}/{{name}}"
    return [
        Route(method, address, _handler(handle, kind), needs=Permission.PLATFORM_RECONCILE)
        for method, address, handle in (
            ("PUT", path, put),
            ("DELETE", path, delete),
            ("PUT", f"{path}/status", put_status),
        )
    ]


ROUTES = [
    Route("GET", "/v1/clusters/{cluster}", get_instance, needs=Permission.PLATFORM_RECONCILE),
    *(route for kind in KINDS for route in _routes(kind)),
]

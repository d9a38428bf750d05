"""Plans, Tenants and Configs below ``/v1``: whole, as their Kubernetes paths have them, with an ETag and by cursor."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model import selectors
from tenantry.model.kinds import KINDS, Kind
from tenantry.model.permissions import Permission
from tenantry.model.resource import Resource
from tenantry.services.resources.transactions import Query
from tenantry.web.routes import Route, Whole
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint


class ListQuery(PageQuery):
    """Which objects, and which part of them."""

    label_selector: Annotated[str, Field(max_length=2048, pattern=r"^[ -~]*$")] = ""
    """Only those with these labels, as kubectl takes it: `ring=internal,tier in (gold, silver)`."""


def own_path(kind: Kind) -> str:
    """The path of one object of ``kind``."""
    namespace = "/namespaces/{namespace}" if kind.namespaced else ""
    return f"/v1{namespace}/{kind.plural}/{{name}}"


def whole(resource: Resource) -> Reply:
    """A resource as an answer."""
    return Reply(body=resource.to_json(), etag=etag_of(resource))


def etag_of(resource: Resource) -> str:
    """The entity tag of a resource, without quotes: its ``resourceVersion``."""
    return str(resource.seq)


async def get(call: Call[Nothing, Nothing]) -> Reply:
    """Get one {kind}.

    Its ETag is its `metadata.resourceVersion`.
    """
    return whole(await call.services.resources.get(call.actor, call.address()))


async def list_all(call: Call[ListQuery, Nothing]) -> Reply:
    """List every {kind}.

    Ordered by namespace and name. What is created or deleted meanwhile moves no page.
    """
    return await _page(call, None)


async def list_namespace(call: Call[ListQuery, Nothing]) -> Reply:
    """List every {kind} of a namespace.

    Ordered by name. What is created or deleted meanwhile moves no page.
    """
    return await _page(call, call.path["namespace"])


async def _page(call: Call[ListQuery, Nothing], namespace: str | None) -> Reply:
    last_namespace, found, last_name = call.after().partition("/")
    query = Query(
        kind=call.kind,
        namespace=namespace,
        labels=selectors.parse_labels(call.query.label_selector),
        limit=call.query.limit,
        after=(last_namespace, last_name) if found else None,
    )
    page = await call.services.resources.list(call.actor, query)
    items = ",".join(item.to_json() for item in page.items)
    cursor = call.next(f"{page.items[-1].namespace}/{page.items[-1].name}") if page.more else ""
    return Reply(body=f'{{"items":[{items}]' + (f',"next":"{cursor}"}}' if cursor else "}"))


def _routes(kind: Kind) -> list[Route]:
    reads, many = Permission.RESOURCES_READ, Whole(kind, many=True)
    own = own_path(kind)
    found = [
        endpoint("GET", f"/v1/{kind.plural}", list_all, needs=reads, answer=many, query=ListQuery, of=kind),
        endpoint("GET", own, get, needs=reads, answer=Whole(kind), of=kind),
    ]
    if kind.namespaced:
        path = own.removesuffix("/{name}")
        found.append(endpoint("GET", path, list_namespace, needs=reads, answer=many, query=ListQuery, of=kind))
    return found


ROUTES = [route for kind in KINDS for route in _routes(kind)]

"""Refusals in kube-apiserver's words: who may not do what with which resource."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import BY_PLURAL
from tenantry.model.quoting import quote
from tenantry.model.resource import API_VERSION, GROUP
from tenantry.services.authentication import suspended
from tenantry.web.authentication import ANONYMOUS
from tenantry.web.options import flag

_PREFIX = f"/apis/{API_VERSION}/"
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def forbidden(request: web.Request, actor: Actor) -> TenantryError:
    """Why ``actor`` may not make this request: no credential, or not the permission.

    The words are those of apiserver's ``responsewriters.ForbiddenStatusError``.
    """
    if actor is ANONYMOUS:
        return TenantryError(Code.UNAUTHENTICATED, "a bearer token is needed")
    if actor.suspended:
        return suspended(actor)
    user = f"User {quote(actor.name)} cannot"
    parts = request.path.removeprefix(_PREFIX).split("/")
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:  # noqa: PLR2004 - namespaces/{namespace}/{plural}
        namespace, parts = parts[1], parts[2:]
    kind = BY_PLURAL.get(parts[0])
    if kind is None or not request.path.startswith(_PREFIX):
        return TenantryError(Code.FORBIDDEN, f"{user} {request.method.lower()} path {quote(request.path)}")
    name, *subresource = [*parts[1:], ""]
    resource = "/".join([parts[0], *filter(None, subresource)])
    where = f"in the namespace {quote(namespace)}" if namespace else "at the cluster scope"
    message = f"{user} {_verb(request, name)} resource {quote(resource)} in API group {quote(GROUP)} {where}"
    return TenantryError(Code.FORBIDDEN, message, kind=kind.name, name=name)


def _verb(request: web.Request, name: str) -> str:
    if request.method in _VERBS:
        return _VERBS[request.method]
    if request.method == "DELETE":
        return "delete" if name else "deletecollection"
    if name:
        return "get"
    return "watch" if flag(request.query, "watch") else "list"

"""Refusals: who may not do what with which resource, in kube-apiserver's words, and who may not know of a tenant."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import BY_PLURAL
from tenantry.model.permissions import FREE, ROLES, Permission, scopes_with
from tenantry.model.quoting import quote
from tenantry.model.resource import API_VERSION, GROUP
from tenantry.services.refusals import RefusedError
from tenantry.services.standing import Standing
from tenantry.services.tenancy import missing_scope, suspended
from tenantry.web.authentication import ANONYMOUS
from tenantry.web.errors import is_kubernetes
from tenantry.web.query import flag
from tenantry.web.rendering import FACTOR
from tenantry.web.routes import SERVICES

_PREFIX = f"/apis/{API_VERSION}/"
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


async def refusal(request: web.Request, actor: Actor, template: str, needs: Permission) -> TenantryError:
    """Why ``actor`` may not make this request: no credential, not the permission, or a tenant that they may not see.

    Args:
        request: what is asked for.
        actor: who asks, without the permission.
        template: the path of the route.
        needs: the permission.
    """
    if actor is ANONYMOUS:
        return TenantryError(Code.UNAUTHENTICATED, "a bearer token is needed")
    if actor.may(Permission.SIGNED_IN) and not actor.may(Permission.SELF):
        message = f"a second factor is needed here: turn on two-step sign-in at {FACTOR}"
        return TenantryError(Code.SECOND_FACTOR_REQUIRED, message)
    if actor.suspended:
        return suspended(actor)
    name = _tenant_of(request, template)
    if name and not await _may_know(request.app[SERVICES].standing, actor, name):
        return RefusedError(f'there is no Tenant "{name}"', actor, Code.NOT_FOUND)
    scope = missing_scope(actor, needs)
    error = _forbidden(request, actor, _lack(actor, needs, scope))
    error.scope = scope
    return error


def _tenant_of(request: web.Request, template: str) -> str:
    """The tenant that the path names, below ``/v1``; the Kubernetes paths refuse as Kubernetes does."""
    if not template.startswith("/v1/"):
        return ""
    return request.match_info.get("name" if template.startswith("/v1/tenants/{name}") else "tenant", "")


async def _may_know(standing: Standing, actor: Actor, name: str) -> bool:
    if actor.tenant_id:
        own = await standing.tenant(actor.tenant_id)
        return own is not None and own.name == name
    return not actor.user_id or actor.may(Permission.RESOURCES_READ)


def _forbidden(request: web.Request, actor: Actor, lack: str) -> TenantryError:
    """What is missing, at Kubernetes paths in the words of apiserver's ``responsewriters.ForbiddenStatusError``."""
    user = f"User {quote(actor.name)} cannot" if is_kubernetes(request.path) else "you cannot"
    parts = request.path.removeprefix(_PREFIX).split("/")
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:  # noqa: PLR2004 - namespaces/{namespace}/{plural}
        namespace, parts = parts[1], parts[2:]
    kind = BY_PLURAL.get(parts[0])
    if kind is None or not request.path.startswith(_PREFIX):
        return TenantryError(Code.FORBIDDEN, f"{user} {request.method.lower()} path {quote(request.path)}: {lack}")
    name, *subresource = [*parts[1:], ""]
    resource = "/".join([parts[0], *filter(None, subresource)])
    where = f"in the namespace {quote(namespace)}" if namespace else "at the cluster scope"
    what = f"resource {quote(resource)} in API group {quote(GROUP)} {where}"
    message = f"{user} {_verb(request, name)} {what}: {lack}"
    return TenantryError(Code.FORBIDDEN, message, kind=kind.name, name=name)


def _lack(actor: Actor, needs: Permission, scope: str) -> str:
    """What is missing, and what brings it: ``scope`` or one like it, or a role where it is not for want of one."""
    if needs in FREE:
        return "only a person who is signed in may"
    roles = " or ".join(role for role, brings in ROLES.items() if needs in brings)
    if scope:
        by = f"comes with the scope {' or '.join(scopes_with(needs, actor.tenant_id))}"
    elif roles:
        by = f"comes with the role {roles}"
    else:
        by = "nobody has in a tenant: it is for the platform" if actor.tenant_id else "platform administrators have"
    return f"the permission {needs} is missing, which {by}"


def _verb(request: web.Request, name: str) -> str:
    if request.method in _VERBS:
        return _VERBS[request.method]
    if request.method == "DELETE":
        return "delete" if name else "deletecollection"
    if name:
        return "get"
    return "watch" if flag(request.query, "watch") else "list"

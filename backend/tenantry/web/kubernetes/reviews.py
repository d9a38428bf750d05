"""Who am I, and may I: the three self-reviews behind ``kubectl auth whoami`` and ``kubectl auth can-i``.

kubectl sends them as Kubernetes protobuf and has no fallback, so that envelope (apimachinery's ``runtime.Unknown``
behind a magic number) is decoded for these three kinds; the answer is JSON, which every client takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import BY_PLURAL, KINDS, TENANT
from tenantry.model.permissions import Permission
from tenantry.model.resource import GROUP
from tenantry.services.offload import offload
from tenantry.web import bodies
from tenantry.web.kubernetes.discovery import REVIEWS
from tenantry.web.routes import ACTOR, SERVICES, Route

_MAGIC = b"k8s\x00"
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_READ = frozenset({"get", "list", "watch"})
_WRITE = frozenset({"create", "update", "patch", "delete", "deletecollection"})
#: field numbers of authorization/v1: ResourceAttributes and NonResourceAttributes
_RESOURCE = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name"}
_NON_RESOURCE = {1: "path", 2: "verb"}


async def _spec(request: web.Request, kind: str) -> dict[str, Any]:
    """The review's spec, from JSON or from protobuf."""
    if request.content_type == _PROTOBUF:
        body = await bodies.read(request)
        return await offload(body, _decode, body, kind)
    document = await bodies.read_json(request)
    spec = document.get("spec") if isinstance(document, dict) else None
    return spec if isinstance(spec, dict) else {}


def _decode(body: bytes, kind: str) -> dict[str, Any]:
    """The spec of a review in Kubernetes protobuf; BAD_REQUEST when it is none."""
    if not body.startswith(_MAGIC):
        raise TenantryError(Code.BAD_REQUEST, "the body is not Kubernetes protobuf: its magic number is missing")
    try:
        envelope = dict(_fields(body[len(_MAGIC) :]))
        review = dict(_fields(envelope.get(2, b"")))
        spec = dict(_fields(review.get(2, b"")))
        if kind == "SelfSubjectRulesReview":
            return {"namespace": spec.get(1, b"").decode()}
        if kind == "SelfSubjectAccessReview":
            return {
                name: {names[number]: value.decode() for number, value in _fields(spec[part]) if number in names}
                for part, name, names in (
                    (1, "resourceAttributes", _RESOURCE),
                    (2, "nonResourceAttributes", _NON_RESOURCE),
                )
                if part in spec
            }
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise TenantryError(Code.BAD_REQUEST, f"the body is not a protobuf {kind}: {error}") from error
    return {}


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """``(number, bytes)`` of each length-delimited field of a protobuf message; numbers are passed over."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                _, at = _varint(data, at)
            case 1:
                at += 8
            case 2:
                size, at = _varint(data, at)
                if at + size > len(data):
                    raise ValueError("a field ends beyond the message")
                yield tag >> 3, data[at : at + size]
                at += size
            case 5:
                at += 4
            case wire:
                raise ValueError(f"wire type {wire} is not known")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at
        shift += 7
        if shift > 63:  # noqa: PLR2004 - a varint has at most 64 bits
            raise ValueError("a number has more than 64 bits")


def _review(kind: str, group: str, spec: dict[str, Any], status: dict[str, Any]) -> web.Response:
    body = {"kind": kind, "apiVersion": f"{group}/v1", "metadata": {"creationTimestamp": None}}
    body |= ({"spec": spec} if spec else {}) | {"status": status}
    return web.Response(body=orjson.dumps(body), status=201, content_type="application/json")


async def _self_subject_review(request: web.Request) -> web.Response:
    await _spec(request, "SelfSubjectReview")
    actor = request[ACTOR]
    extra = {"tenantry.dev/scopes": sorted(actor.scopes)} if actor.scopes else {}
    user = {"username": actor.name, "groups": list(actor.groups), "extra": extra}
    return _review("SelfSubjectReview", "authentication.k8s.io", {}, {"userInfo": user})


async def _self_subject_access_review(request: web.Request) -> web.Response:
    kind = "SelfSubjectAccessReview"
    spec = await _spec(request, kind)
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (path is None):
        raise TenantryError(
            Code.INVALID, "exactly one of spec.resourceAttributes and spec.nonResourceAttributes must be set"
        )
    for name, attributes in (("resourceAttributes", resource), ("nonResourceAttributes", path)):
        if attributes is not None and not isinstance(attributes, dict):
            raise TenantryError(Code.BAD_REQUEST, f"spec.{name} must be an object")
    actor = request[ACTOR]
    own = await _own_name(request)
    allowed = _may(actor, own, resource) if isinstance(resource, dict) else _may_get(actor, path or {})
    status = {"allowed": allowed} | ({} if allowed else {"reason": "no scope of this credential allows it"})
    return _review(kind, "authorization.k8s.io", spec, status)


async def _own_name(request: web.Request) -> str:
    """The name that the caller's Tenant has now; empty where it is gone, or the caller bound to none."""
    actor = request[ACTOR]
    return await request.app[SERVICES].resources.own_name(actor) if actor.tenant_id else ""


def _may(actor: Actor, own: str, attributes: dict[str, Any]) -> bool:
    verb, group, resource, name = (str(attributes.get(part, "")) for part in ("verb", "group", "resource", "name"))
    if group in REVIEWS:
        return verb == "create" and resource in REVIEWS[group].values()
    if group not in {GROUP, "*"} or (resource not in BY_PLURAL and resource != "*"):
        return False
    if actor.tenant_id and (resource != TENANT.plural or name not in {"", own}):
        return False  # it would be told that there is no such thing
    wanted = _READ | _WRITE if verb == "*" else {verb}
    reads, writes = wanted & _READ, wanted & _WRITE
    return (
        bool(reads or writes)
        and (not reads or actor.may(Permission.RESOURCES_READ))
        and (not writes or actor.may(Permission.RESOURCES_WRITE))
    )


def _may_get(actor: Actor, attributes: dict[str, Any]) -> bool:
    path, verb = str(attributes.get("path", "")), str(attributes.get("verb", ""))
    if path in {"/version", "/api", "/apis", "/openapi/v2", "/openapi/v3"} or path.startswith("/apis/"):
        return verb == "get"
    reads = verb in {"get", "head"}
    return path.startswith("/v1/") and actor.may(Permission.RESOURCES_READ if reads else Permission.RESOURCES_WRITE)


async def _self_subject_rules_review(request: web.Request) -> web.Response:
    kind = "SelfSubjectRulesReview"
    spec = await _spec(request, kind)
    actor = request[ACTOR]
    verbs = [
        *(sorted(_READ) if actor.may(Permission.RESOURCES_READ) else ()),
        *(sorted(_WRITE) if actor.may(Permission.RESOURCES_WRITE) else ()),
    ]
    rule = {"verbs": verbs, "apiGroups": [GROUP], "resources": [entry.plural for entry in KINDS]}
    if actor.tenant_id:
        own = await _own_name(request)
        rule |= {"resources": [TENANT.plural], "resourceNames": [own]}
        verbs = verbs if own else []
    rules = [rule] if verbs else []
    rules += [
        {"verbs": ["create"], "apiGroups": [group], "resources": sorted(kinds.values())}
        for group, kinds in REVIEWS.items()
    ]
    public = [{"verbs": ["get"], "nonResourceURLs": ["/api", "/apis", "/apis/*", "/openapi/*", "/version"]}]
    status = {"resourceRules": rules, "nonResourceRules": public, "incomplete": False}
    return _review(kind, "authorization.k8s.io", spec, status)


ROUTES = [
    Route(
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        _self_subject_review,
        needs=Permission.AUTHENTICATED,
    ),
    Route(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        _self_subject_access_review,
        needs=Permission.AUTHENTICATED,
    ),
    Route(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        _self_subject_rules_review,
        needs=Permission.AUTHENTICATED,
    ),
]

"""The conventions of everything below ``/v1``: what a handler gets, what it returns, and what both look like in HTTP.

A handler takes a :class:`Call`, whose query and body are parsed already, and returns a :class:`Reply`. Unknown fields
are refused; a GET has an ETag and answers 304; a write honours ``If-Match``; a POST honours ``Idempotency-Key``;
lists are paged by cursor. :func:`endpoint` makes the route, and what is declared there is what OpenAPI tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from aiohttp import web
from pydantic import Field, ValidationError

from tenantry.addresses import is_loopback
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.fields import Model
from tenantry.model.identity import Actor
from tenantry.model.kinds import TENANT, Address, Kind
from tenantry.model.permissions import Permission
from tenantry.services import answers
from tenantry.services.answers import Once, ReplayedError
from tenantry.services.offload import offload
from tenantry.storage.idempotency import Answer
from tenantry.web import bodies
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.rendering import forget_session, set_cookie
from tenantry.web.routes import ACTOR, SERVICES, Cookie, Handler, Operation, Route, Whole
from tenantry.web.v1 import cursors
from tenantry.wiring import Services

Q = TypeVar("Q", bound=Model)
B = TypeVar("B", bound=Model)
T = TypeVar("T")

_ANY = "*"
_FIELD_CODES = {
    "missing": FieldCode.REQUIRED,
    "extra_forbidden": FieldCode.FORBIDDEN,
    "literal_error": FieldCode.NOT_SUPPORTED,
    "enum": FieldCode.NOT_SUPPORTED,
    "string_too_long": FieldCode.TOO_LONG,
    "too_long": FieldCode.TOO_MANY,
}


class Nothing(Model):
    """No parameters, or no body."""


class PageQuery(Model):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    """Entries on a page."""
    cursor: Annotated[str, Field(max_length=1024, pattern=r"^[A-Za-z0-9_-]*$")] = ""
    """`next` of the page before; the first page when empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a handler answers.

    Args:
        body: a model, or JSON text.
        etag: the entity tag without quotes; of the body when empty.
        kept: what an Idempotency-Key keeps in the place of a body with a secret: the name of what was made.
        session: the cookie of the browser session that replaces the caller's.
        signed_out: the caller's session has ended.
    """

    body: Model | str
    etag: str = ""
    kept: str = ""
    location: str = ""
    session: str = ""
    signed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Q, B]):
    """A request as a handler gets it."""

    actor: Actor
    services: Services
    path: Mapping[str, str]
    query: Q
    body: B
    kind: Kind  # that the route is about; any, where it is about none
    status: int  # of a good answer
    scope: str  # the list that a cursor belongs to
    matches: tuple[str, ...] | None  # the entity tags in If-Match
    request: answers.Request | None  # by its Idempotency-Key
    session: str  # the cookie of a browser session, if there is one
    base: str  # the URL that clients reach us by, without a slash at its end

    def address(self) -> Address:
        """The object that the path names."""
        return Address(self.kind, self.path.get("namespace", ""), self.path["name"])

    def number(self, name: str) -> int:
        """A part of the path that is a number; NOT_FOUND when it is none."""
        text = self.path[name]
        if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 - below 2^63
            raise TenantryError(Code.NOT_FOUND, f"there is no {name} {text[:64]}")
        return int(text)

    def check_match(self, etag: str) -> None:
        """Refuse to change what is not as the caller has seen it.

        Raises:
            TenantryError: ``PRECONDITION_FAILED`` (RFC 9110, 13.1.1).
        """
        if self.matches is not None and _ANY not in self.matches and etag not in self.matches:
            raise TenantryError(
                Code.PRECONDITION_FAILED, f'it has changed: its ETag is "{etag}" now; read it and decide again'
            )

    def after(self) -> str:
        """The key after which the page begins; empty for the first page."""
        cursor: str = getattr(self.query, "cursor", "")
        return cursors.decode(self.scope, cursor) if cursor else ""

    def next(self, key: str) -> str:
        """The cursor of the page after ``key``."""
        return cursors.encode(self.scope, key)

    def page(self, found: Sequence[T], limit: int, key: Callable[[T], str]) -> tuple[Sequence[T], str | None]:
        """What is on the page, and the cursor of the next one if there is one.

        Args:
            found: what comes from :meth:`after` on; one more than ``limit`` was asked for.
            limit: entries on a page.
            key: of an entry, for the cursor.
        """
        if len(found) <= limit:
            return found, None
        return found[:limit], self.next(key(found[limit - 1]))

    def once(self, render: Callable[[T], Reply]) -> Once[T] | None:
        """What keeps the answer that ``render`` makes, when the caller named an Idempotency-Key."""

        def answer(result: T) -> Answer:
            reply = render(result)
            headers = () if reply.kept else tuple(_headers(reply).items())
            return Answer(self.status, reply.kept or text_of(reply.body), headers, secret=bool(reply.kept))

        return Once(self.request, answer) if self.request else None


Handle = Callable[[Call[Q, B]], Awaitable[Reply]]


def endpoint(  # noqa: PLR0913 - the parts of a declaration
    method: str,
    path: str,
    handle: Handle[Q, B],
    *,
    needs: Permission,
    answer: type[Model] | Whole,
    query: type[Q] = Nothing,  # type: ignore[assignment]
    body: type[B] = Nothing,  # type: ignore[assignment]
    status: int = 200,
    conditional: bool = False,
    of: Kind | None = None,
) -> Route:
    """A route below ``/v1``; its summary and description are the docstring of ``handle``, ``{kind}`` being ``of``.

    Args:
        method: HTTP method.
        path: template.
        handle: what answers.
        needs: the permission that the caller must hold.
        answer: what is answered.
        query: the query parameters.
        body: what is sent.
        status: HTTP code of a good answer.
        conditional: it calls :meth:`Call.check_match`.
        of: the kind that it is about, when there is one such route for each.
    """
    kind = of or TENANT
    first, _, rest = (handle.__doc__ or "").replace("{kind}", kind.name).partition("\n")
    operation = Operation(
        name=_camel(handle.__name__) + (of.name if of else ""),
        summary=first.rstrip("."),
        description=" ".join(rest.split()),
        query=None if query is Nothing else query,
        body=None if body is Nothing else body,
        answer=answer,
        status=status,
        conditional=conditional,
    )
    return Route(method, path, _handler(handle, operation, query, body, kind, needs), needs, operation, Cookie.COUNTS)


def _handler(  # noqa: PLR0913, PLR0917 - the parts of a declaration
    handle: Handle[Q, B], operation: Operation, query: type[Q], body: type[B], kind: Kind, needs: Permission
) -> Handler:
    # frontends ask for objects again and again, and a browser revalidates them; all else is of people, or of secrets
    may_be_kept = needs is Permission.RESOURCES_READ

    async def handler(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        sent = await _read_body(request, body, expected=operation.body is not None)
        repeatable = await _identify(request, operation) if request.method == "POST" else None
        call = Call(
            actor=request[ACTOR],
            services=services,
            path=request.match_info,
            query=read_query(request, query),
            kind=kind,
            body=sent,
            status=operation.status,
            scope=_scope(request),
            matches=_matches(request, operation),
            request=repeatable,
            session=request.cookies.get(SESSION_COOKIE, ""),
            base=services.settings.external_url or _base(request),
        )
        if repeatable and (given := await answers.find(services.db, repeatable)):
            return _replay(given)
        try:
            return respond(request, await handle(call), operation.status, may_be_kept=may_be_kept)
        except ReplayedError as replayed:
            return _replay(replayed.answer)
        except TenantryError:  # perhaps because the same request was done a moment ago
            if repeatable and (given := await answers.find(services.db, repeatable)):
                return _replay(given)
            raise

    return handler


def _base(request: web.Request) -> str:
    """The origin that a client has named; loopback by the name that all links have, since cookies belong to a name."""
    origin = request.url.origin()
    return str(origin.with_host("localhost") if is_loopback(origin.host or "") else origin)


def respond(request: web.Request, reply: Reply, status: int = 200, *, may_be_kept: bool = False) -> web.Response:
    """``reply`` in HTTP; 304 when a GET has seen it already.

    Args:
        request: to which it answers.
        reply: what is answered.
        status: HTTP code of a good answer.
        may_be_kept: by the cache of a browser, which asks each time whether it is still so.
    """
    text = text_of(reply.body)
    headers = _headers(reply) | {"Cache-Control": "private, no-cache" if may_be_kept else "no-store"}
    if request.method in {"GET", "HEAD"}:
        etag = reply.etag or hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        headers["ETag"] = f'"{etag}"'
        if any(tag.value in {_ANY, etag} for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
    response = web.Response(body=text.encode(), status=status, headers=headers, content_type="application/json")
    if reply.session:
        set_cookie(response, SESSION_COOKIE, reply.session)
    if reply.signed_out:
        forget_session(response)
    return response


def _headers(reply: Reply) -> dict[str, str]:
    """What ``reply`` says in headers."""
    said = {"ETag": f'"{reply.etag}"' if reply.etag else "", "Location": reply.location}
    return {name: value for name, value in said.items() if value}


def read_query(request: web.Request, model: type[Q]) -> Q:
    """The query parameters; BAD_REQUEST with each that is wrong, unknown or repeated."""
    parameters = request.query
    errors = [
        FieldError(name, FieldCode.DUPLICATE, "Duplicate value: it may be given once")
        for name in dict.fromkeys(parameters)
        if len(parameters.getall(name)) > 1
    ]
    try:
        if not errors:
            return model.model_validate_strings(dict(parameters))
    except ValidationError as error:
        errors = list(_field_errors(error, "parameter"))
    raise TenantryError(Code.BAD_REQUEST, "the query parameters are wrong; see errors", errors)


def is_body_required(model: type[Model]) -> bool:
    """Whether there is a field that must be sent."""
    return any(field.is_required() for field in model.model_fields.values())


async def _read_body(request: web.Request, model: type[B], *, expected: bool) -> B:
    """The body; INVALID with each field that is wrong or unknown. None at all says nothing."""
    if not expected or not (request.body_exists or is_body_required(model)):
        return model()
    if request.content_type != "application/json":
        raise TenantryError(Code.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
    tree = await bodies.read_json(request)
    return await offload(tree, _checked, model, tree)


def _checked(model: type[B], tree: Any) -> B:
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise TenantryError(
            Code.INVALID, "the body is not what is expected here; see errors", list(_field_errors(error, "field"))
        ) from None


def _field_errors(error: ValidationError, what: str) -> Iterator[FieldError]:
    for details in error.errors(include_url=False, include_input=False, include_context=False):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in details["loc"])
        code = _FIELD_CODES.get(details["type"])
        if code is None:
            code = FieldCode.TYPE_INVALID if details["type"].endswith("_type") else FieldCode.INVALID
        message = details["msg"]
        if details["type"] == "extra_forbidden":
            message = f"unknown {what}"
        elif details["type"] == "model_type":
            message = "must be a JSON object"
        yield FieldError(path.removeprefix("."), code, message)


def _matches(request: web.Request, operation: Operation) -> tuple[str, ...] | None:
    tags = request.if_match
    if tags is None or request.method in {"GET", "HEAD"}:
        return None
    if not operation.conditional:
        raise TenantryError(
            Code.BAD_REQUEST, "If-Match has no meaning here: this request changes nothing that has an ETag"
        )
    return tuple(tag.value for tag in tags if not tag.is_weak)


async def _identify(request: web.Request, operation: Operation) -> answers.Request | None:
    """What an Idempotency-Key makes of a request."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (0 < len(key) <= 255 and key.isprintable()):  # noqa: PLR2004 - said in the message
        raise TenantryError(Code.BAD_REQUEST, "Idempotency-Key must be 1 to 255 printable characters")
    content = f"{request.rel_url}\0{request.headers.get('If-Match', '')}".encode(errors="replace")
    actor = request[ACTOR]
    # a person acts in one tenant after another, and through one client beside another
    whose = f"{actor.name}\0{actor.tenant_id}\0{actor.client_id}"
    return answers.Request(
        key=_sha(f"{whose}\0{request.method}\0{operation.name}\0{key}".encode(errors="replace")),
        content=_sha(content + b"\0" + await request.read()),
    )


def _replay(answer: Answer) -> web.Response:
    if answer.secret:
        raise TenantryError(
            Code.SECRET_ALREADY_SHOWN,
            f"this Idempotency-Key has made {answer.body} already, and its secret is shown once: make another",
        )
    headers = {"Cache-Control": "no-store", **dict(answer.headers)}
    body = answer.body.encode()
    return web.Response(body=body, status=answer.status, headers=headers, content_type="application/json")


def _scope(request: web.Request) -> str:
    """What a cursor belongs to: the list and its filters."""
    filters = sorted((name, value) for name, value in request.query.items() if name not in {"cursor", "limit"})
    return f"{request.path}?{filters}"


def text_of(body: Model | str) -> str:
    """The JSON text of an answer."""
    return body if isinstance(body, str) else body.model_dump_json(by_alias=True, exclude_none=True)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)

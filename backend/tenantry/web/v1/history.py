"""The history of a Plan, Tenant or Config below ``/v1``: revisions, what differs between two, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from pydantic import Field

from tenantry.model.diff import Difference
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.fields import Model, View
from tenantry.model.kinds import KINDS, Kind
from tenantry.model.permissions import Permission
from tenantry.model.resource import Revision, timestamp
from tenantry.services.offload import offload
from tenantry.web.routes import Route, Whole
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Q, Reply, endpoint, text_of
from tenantry.web.v1.objects import etag_of, own_path, whole

#: numbers below this are numbers of revisions
_LIMIT = 2**53


class RevisionSummary(View):
    """A state of a spec that was published."""

    revision: int
    """Number, from 1."""
    generation: int
    """`metadata.generation` that the object had."""
    checksum: str
    """SHA-256 of the spec in canonical JSON (RFC 8785), in hex."""
    author: str
    """Who wrote it: `user:<id>`, `key:<id>`, `local-admin`, ..."""
    author_email: str | None = None
    """Their e-mail address, of a person whom the reader may know: a member of the tenant, or anybody."""
    message: str
    """Why, as its author says; may be empty."""
    created_at: str
    """When, as RFC 3339."""


class RevisionDetail(RevisionSummary):
    """A state of a spec that was published, with the spec."""

    spec: dict[str, Any]
    """The spec."""


class RevisionList(View):
    """A page of revisions, newest first."""

    items: list[RevisionSummary]
    """The revisions."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


class DiffQuery(Model):
    """What to compare."""

    from_: Annotated[int, Field(ge=1, lt=_LIMIT, alias="from")]
    """The revision before."""
    to: Annotated[int, Field(ge=1, lt=_LIMIT)] | None = None
    """The revision after; what is now when it is left out."""


class Change(View):
    """A field that differs."""

    path: str
    """The field, as `spec.namespaces[name=prod].share`."""
    before: Any = None
    """Its value before; left out where there was none."""
    after: Any = None
    """Its value after; left out where there is none."""


class Diff(View):
    """What differs between two specs."""

    from_: Annotated[int, Field(alias="from")]
    """The revision before."""
    to: int | None = None
    """The revision after; left out for what is now."""
    changes: list[Change]
    """The fields that differ, in the order of their paths."""


class RollbackBody(Model):
    """What to keep with the new revision."""

    message: Annotated[str, Field(max_length=1000)] = ""
    """Why, for people."""


async def list_revisions(call: Call[PageQuery, Nothing]) -> Reply:
    """List the revisions of a {kind}.

    Newest first. A revision is made whenever the spec changes.
    """
    after, limit = call.after(), call.query.limit
    found = await call.services.history.list(
        call.actor, call.address(), before=int(after) if after else _LIMIT, limit=limit + 1
    )
    page, cursor = call.page(found, limit, lambda revision: str(revision.revision))
    known = await _known(call, page)
    return Reply(body=RevisionList(items=[RevisionSummary(**_summary(each, known)) for each in page], next=cursor))


async def get_revision(call: Call[Nothing, Nothing]) -> Reply:
    """Get one revision of a {kind}, with its spec."""
    revision = await call.services.history.get(call.actor, call.address(), call.number("revision"))
    known = await _known(call, [revision])
    return Reply(body=await offload(revision.doc, _shown, revision, known))


async def get_diff(call: Call[DiffQuery, Nothing]) -> Reply:
    """Compare two revisions of a {kind}, or one with what is now."""
    start, end = call.query.from_, call.query.to
    found = await call.services.history.diff(call.actor, call.address(), start, end)
    return Reply(body=await offload(found, _told, start, end, found))


async def rollback(call: Call[Nothing, RollbackBody]) -> Reply:
    """Give a {kind} the spec of a revision again.

    It becomes a new revision; where the spec is the same already, nothing is written. `spec.state` goes back with the
    rest, which ends a suspension that has begun since, or begins one anew: the answer has it as it is then. Fields stay
    with their managers, whose next apply sets again what it says. `If-Match` takes the ETag of the object.
    """
    if not call.body.message.isprintable():
        message = "Invalid value: must be printable characters"
        raise TenantryError(
            Code.INVALID, "the message is wrong; see errors", [FieldError("message", FieldCode.INVALID, message)]
        )
    resource = await call.services.history.rollback(
        call.actor,
        call.address(),
        call.number("revision"),
        message=call.body.message,
        check=lambda current: call.check_match(etag_of(current)),
        once=call.once(whole),
    )
    return whole(resource)


async def _known(call: Call[Q, Nothing], found: Sequence[Revision]) -> dict[str, str]:
    """The e-mail addresses of the authors whom the caller may know; revisions of one object are of one tenant."""
    if not found:
        return {}
    return await call.services.members.addresses(call.actor, found[0].tenant_id, {each.author for each in found})


def _shown(revision: Revision, known: Mapping[str, str]) -> str:
    return text_of(RevisionDetail(**_summary(revision, known), spec=orjson.loads(revision.doc)))


def _told(start: int, end: int | None, found: list[Difference]) -> str:
    changes = [Change(path=path, before=before, after=after) for path, before, after in found]
    return text_of(Diff(from_=start, to=end, changes=changes))


def _summary(revision: Revision, known: Mapping[str, str]) -> dict[str, Any]:
    return {
        "revision": revision.revision,
        "generation": revision.generation,
        "checksum": revision.checksum,
        "author": revision.author,
        "author_email": known.get(revision.author),
        "message": revision.message,
        "created_at": timestamp(revision.created_at),
    }


def _routes(kind: Kind) -> list[Route]:
    reads, writes = Permission.RESOURCES_READ, Permission.RESOURCES_WRITE
    own = own_path(kind)
    revisions = f"{own}/revisions"
    one = f"{revisions}/{{revision}}"
    return [
        endpoint("GET", revisions, list_revisions, needs=reads, answer=RevisionList, query=PageQuery, of=kind),
        endpoint("GET", one, get_revision, needs=reads, answer=RevisionDetail, of=kind),
        endpoint("GET", f"{own}/diff", get_diff, needs=reads, answer=Diff, query=DiffQuery, of=kind),
        endpoint(
            "POST",
            f"{one}:rollback",
            rollback,
            needs=writes,
            answer=Whole(kind),
            body=RollbackBody,
            conditional=True,
            of=kind,
        ),
    ]


ROUTES = [route for kind in KINDS for route in _routes(kind)]

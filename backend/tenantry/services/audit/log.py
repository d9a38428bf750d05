"""The audit log: who did what, read newest first; and who was refused what, which no transaction tells of."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from tenantry.model import ids
from tenantry.model.audit import AuditEvent, Filter, Result
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.services.throttle import network_of
from tenantry.storage import audit
from tenantry.storage.db import Database

#: within these seconds a refusal is written once, however often it is repeated, and so many of one caller and of all
WINDOW_SECONDS = 60.0
MOST_DENIALS = 20
MOST_OF_ALL = 500
#: refusals that wait to be written
_WAITING = 64
_MESSAGE = 1000  # characters

logger = logging.getLogger(__name__)


def event(  # noqa: PLR0913 - the parts of a row
    actor: Actor,
    action: str,
    kind: str,
    name: str,
    *,
    at: int,
    namespace: str = "",
    tenant_id: str | None = None,
    message: str = "",
    diff: str = "{}",
) -> AuditEvent:
    """The row that tells of what ``actor`` does now.

    Args:
        actor: who does it.
        action: what, such as ``key.create``.
        kind: to what, a type of the model.
        name: to which of them.
        at: when, in epoch microseconds.
        namespace: of what has one.
        tenant_id: whose it is; of the tenant that the actor is in when None.
        message: more, for people.
        diff: what :func:`tenantry.model.audit.describe` says of it.
    """
    return AuditEvent(
        id=ids.uuid7(),
        at=at,
        actor=actor.name,
        action=action,
        kind=kind,
        namespace=namespace,
        name=name,
        tenant_id=actor.tenant_id if tenant_id is None else tenant_id,
        request_id=actor.request_id,
        ip=actor.ip,
        message=message,
        diff=diff,
        on_behalf_of=actor.on_behalf_of,
    )


@dataclass(slots=True)
class _Window:
    """What was refused since ``began``, and how many refusals each caller has got."""

    began: float
    seen: set[tuple[str, str, str]] = field(default_factory=set)
    callers: Counter[str] = field(default_factory=Counter)


class AuditLog:
    """The audit log over one database."""

    def __init__(self, db: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._monotonic = monotonic
        self._window = _Window(monotonic())
        self._writing: set[asyncio.Task[None]] = set()

    async def list(self, actor: Actor, wanted: Filter, *, before: str, limit: int) -> list[AuditEvent]:
        """At most ``limit`` rows with ids below ``before``, newest first; a tenant's credential sees that tenant's."""
        if actor.tenant_id:
            if wanted.tenant_id not in {"", actor.tenant_id}:
                return []
            wanted = replace(wanted, tenant_id=actor.tenant_id)
        return await self._db.run(partial(audit.page, before=before, limit=limit), wanted)

    def note_denied(self, actor: Actor, method: str, path: str, error: TenantryError) -> None:
        """Write, when there is time, that ``actor`` was refused a request; one that repeats itself fills no disk.

        Of a credential that does not work, it does not matter what it is tried on, but whose it is; and strangers are
        told apart by where they come from, so that none hides what another does.
        """
        tried = (error.name, error.message) if error.code is Code.UNAUTHENTICATED else (method, path)
        if not self._is_news(f"{actor.name} {network_of(actor.ip)}", *tried):
            return
        if len(self._writing) >= _WAITING:
            logger.warning("too many refusals at once: %s %s by %s is not in the audit log", method, path, actor.name)
            return
        refusal = event(
            actor, method.lower(), error.kind, error.name, at=ids.now_micros(), message=error.message[:_MESSAGE]
        )
        task = asyncio.create_task(self._write(replace(refusal, result=Result.DENIED)))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Let what waits be written."""
        await asyncio.gather(*self._writing)

    def _is_news(self, caller: str, method: str, path: str) -> bool:
        now, refusal = self._monotonic(), (caller, method, path)
        if now - self._window.began >= WINDOW_SECONDS:
            self._window = _Window(now)
        window = self._window
        if refusal in window.seen or window.callers[caller] >= MOST_DENIALS or len(window.seen) >= MOST_OF_ALL:
            return False
        window.seen.add(refusal)
        window.callers[caller] += 1
        if len(window.seen) == MOST_OF_ALL:
            logger.warning("%d refusals within %d s: the next are not in the audit log", MOST_OF_ALL, WINDOW_SECONDS)
        return True

    async def _write(self, event: AuditEvent) -> None:
        try:
            await self._db.run(audit.append, event, write=True)
        except TenantryError as error:
            logger.warning("a refusal of %s is not in the audit log: %s", event.actor, error.message)

"""What rights rest on, in memory: keys, sessions, users, memberships, clients, revocations, the state of tenants.

An entry is believed for as long as the change feed, which tells of every change of one, has been read a moment ago: so
a right that is taken away counts within a second on every replica, and a request asks the database for nothing that it
asked before. What this process commits itself it hears of before whoever waits for it, and so counts at once. While the
database is away, what is known is believed for a minute; after that nobody is.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, cast

import orjson

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import ApiKey, Membership, ServiceAccount, Session, TenantStanding, User
from tenantry.model.kinds import PLAN, TENANT
from tenantry.model.notice import Notice
from tenantry.model.oauth import CLI, OAuthClient, Registered, Revocation, SigningKey
from tenantry.model.rate import Rate
from tenantry.model.resource import Change, Resource
from tenantry.services import namespaces
from tenantry.services.feed import Feed
from tenantry.storage import (
    clients,
    keys,
    memberships,
    resources,
    revocations,
    service_accounts,
    sessions,
    signing_keys,
    users,
)
from tenantry.storage.db import UNIT_SECONDS, Database
from tenantry.storage.unit import Unit

SIZE = 50_000  # entries
FRESH_SECONDS = 1.0
STALE_SECONDS = 60.0
#: kind of the entry with the namespaces of the tenant of a name
_NAMESPACES = "Namespaces"
#: kind of the notice that a tenant was purged, with everything that it had
_ALL = "Purge"

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Name = tuple[str, str]


@dataclass(slots=True)
class _Entry:
    """What was read at ``read_at``, in ``time.monotonic()``; None when there is no such thing."""

    value: object
    read_at: float


class Standing:
    """The view of one process. ``version`` counts the changes of what it has told."""

    def __init__(self, db: Database, feed: Feed, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._db = db
        self._feed = feed
        self._entries: OrderedDict[Name, _Entry] = OrderedDict()
        self._reading: dict[Name, asyncio.Task[object]] = {}  # without what has changed while it was read
        self._tasks: set[asyncio.Task[object]] = set()  # with it
        self._subscribed = False
        self._lacks_some = False  # what was told may have been pushed out, and its change is news all the same
        self._advanced = asyncio.Event()
        self.version = 0
        db.on_commit(lambda _, news: self._hear(news))

    async def key(self, key_id: str) -> ApiKey | None:
        """The API key of that id."""
        return await self._get("ApiKey", key_id, keys.get, key_id)

    async def session(self, session_id: str) -> Session | None:
        """The browser session of that id."""
        return await self._get("Session", session_id, sessions.get, session_id)

    async def user(self, user_id: str) -> User | None:
        """The user of that id."""
        return await self._get("User", user_id, users.get, user_id)

    async def membership(self, tenant_id: str, user_id: str) -> Membership | None:
        """The user's place in the tenant, if there is one."""
        return await self._get("Membership", f"{tenant_id}/{user_id}", memberships.get, tenant_id, user_id)

    async def service_account(self, account_id: str) -> ServiceAccount | None:
        """The service account of that id."""
        return await self._get("ServiceAccount", account_id, service_accounts.get, account_id)

    async def workload(self, cluster: str, subject: str) -> ServiceAccount | None:
        """The service account that a workload of a cluster is."""
        return await self._get("Workload", _workload(cluster, subject), service_accounts.of_workload, cluster, subject)

    async def holder(self, cluster: str, namespace: str) -> str:
        """Identity of the tenant whose namespace it is in that cluster; empty when it is no tenant's."""
        tenant = namespaces.tenant_name_of(namespace)
        held = await self._get(_NAMESPACES, tenant, namespaces.held_by, tenant)
        return (held or {}).get((cluster, namespace), "")

    async def tenant(self, tenant_id: str) -> TenantStanding | None:
        """The living tenant of that identity."""
        found = await self._get(TENANT.name, tenant_id, _tenant, tenant_id)
        if found is None:
            return None
        return replace(found, rate=await self._get(PLAN.name, found.plan, _rate, found.plan))

    async def client(self, client_id: str) -> Registered | None:
        """The OAuth client of that id, and its secrets."""
        if client_id == CLI.id:
            return Registered(CLI)
        return await self._get("OAuthClient", client_id, clients.get, client_id)

    async def revocation(self, identifier: str) -> Revocation | None:
        """That of a token or a grant, if it was taken back."""
        return await self._get("Revocation", identifier, revocations.get, identifier)

    async def signing_keys(self) -> tuple[SigningKey, ...]:
        """All keys that sign or have signed, in the order in which they become active."""
        return await self._get("SigningKey", "all", signing_keys.all_keys) or ()

    async def wait_beyond(self, version: int) -> None:
        """Wait until something of what was told at ``version`` has changed."""
        while self.version == version:
            await self._advanced.wait()

    @property
    def is_fresh(self) -> bool:
        """Whether the feed was read a moment ago, so that what is known is true."""
        return self._monotonic() - self._feed.read_at < FRESH_SECONDS

    def forget(self, kind: str, name: str) -> None:
        """Read ``kind`` ``name`` again when it is asked for: it has changed."""
        at = (kind, name)
        known, reading = self._entries.pop(at, None), self._reading.pop(at, None)
        if known is not None or reading is not None or self._lacks_some:
            self._advance()

    def _forget_all(self, tenant_ids: set[str]) -> None:
        """Read everything of those tenants again when it is asked for: they were purged."""
        gone = [at for at, entry in self._entries.items() if _tenant_id_of(entry.value) in tenant_ids]
        for at in gone:
            del self._entries[at]
        self._reading.clear()  # whose what is read will be, nobody knows yet
        self._advance()

    def _advance(self) -> None:
        self.version += 1
        self._advanced.set()
        self._advanced = asyncio.Event()

    async def close(self) -> None:
        """Let what is being read arrive."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __call__(self, batch: list[Change]) -> None:
        """Take news from the feed."""
        self._hear(batch)

    def _hear(self, news: Sequence[Change | Notice]) -> None:
        for each in news:
            self.forget(each.kind, each.tenant_id if each.kind == TENANT.name else each.name)
            if each.kind == TENANT.name:
                self.forget(_NAMESPACES, each.name)
        purged = {each.tenant_id for each in news if each.kind == _ALL}
        if purged:
            self._forget_all(purged)

    def fail(self, error: TenantryError) -> None:
        """Learn that the feed has skipped changes: nothing that is known is certain any more."""
        del error
        self._subscribed = False
        self._entries.clear()
        self._reading.clear()
        self._advance()

    async def _get(self, kind: str, name: str, read: Callable[[Unit, *Ts], T | None], *args: *Ts) -> T | None:
        """What is known, or else what ``read`` finds.

        Raises:
            TenantryError: ``UNAVAILABLE``, the database is away and nothing recent is known.
        """
        if not self._subscribed:
            self._subscribed = self._feed.subscribe(self, self._feed.seq)
        at, known = (kind, name), self._entries.get((kind, name))
        now = self._monotonic()
        if known is not None and (self.is_fresh or now - known.read_at < FRESH_SECONDS):
            self._entries.move_to_end(at)
            return cast("T | None", known.value)
        believed = known is not None and now - max(known.read_at, self._feed.read_at) < STALE_SECONDS
        reading = self._reading.get(at)
        if reading is None:
            unit = partial(self._db.run, read, *args, timeout=FRESH_SECONDS if believed else UNIT_SECONDS)
            reading = self._reading[at] = asyncio.create_task(self._read(at, unit))
            self._tasks.add(reading)
            reading.add_done_callback(self._tasks.discard)
        try:
            return cast("T | None", await asyncio.shield(reading))  # one that asks may go away, others still wait
        except TenantryError as error:
            if believed and self._entries.get(at) is known is not None and error.code is Code.UNAVAILABLE:
                return cast("T | None", known.value)
            raise

    async def _read(self, at: Name, unit: Callable[[], Any]) -> object:
        read_at = self._monotonic()
        try:
            value: object = await unit()
        finally:
            is_true = self._reading.get(at) is asyncio.current_task()  # it has not changed meanwhile
            if is_true:
                del self._reading[at]
        if is_true:
            self._entries[at] = _Entry(value, read_at)
            self._entries.move_to_end(at)
            if len(self._entries) > SIZE:
                self._entries.popitem(last=False)
                self._lacks_some = True
        return value


def notice(item: ApiKey | Session | User | Membership | OAuthClient | Revocation) -> Notice:
    """What tells every replica that ``item`` has changed."""
    if isinstance(item, Membership):
        return Notice(kind="Membership", name=f"{item.tenant_id}/{item.user_id}", tenant_id=item.tenant_id)
    return Notice(kind=type(item).__name__, name=item.id)


def notices_of(account: ServiceAccount) -> list[Notice]:
    """What tells every replica that ``account`` has changed."""
    found = [Notice(kind="ServiceAccount", name=account.id, tenant_id=account.tenant_id)]
    if account.subject:
        found.append(Notice(kind="Workload", name=_workload(account.cluster, account.subject)))
    return found


def notice_of_all(tenant_id: str) -> Notice:
    """What tells every replica that the tenant is gone for good, and its keys, programs and people's places with it."""
    return Notice(kind=_ALL, name=tenant_id, tenant_id=tenant_id)


def _tenant_id_of(value: object) -> str:
    """Identity of the tenant whose ``value`` is; empty when it is nobody's."""
    return getattr(value.client if isinstance(value, Registered) else value, "tenant_id", "")


def _workload(cluster: str, subject: str) -> str:
    """A workload as the change log has it, where names are short."""
    return hashlib.sha256(f"{cluster}/{subject}".encode()).hexdigest()


def _tenant(unit: Unit, tenant_id: str) -> TenantStanding | None:
    found = resources.tenant(unit, tenant_id)
    return _standing(found) if found else None


def _standing(tenant: Resource) -> TenantStanding:
    spec = orjson.loads(tenant.spec)
    suspension = spec.get("suspension", {})
    suspended = spec.get("state") == "Suspended"
    return TenantStanding(
        id=tenant.tenant_id,
        name=tenant.name,
        mode=suspension.get("mode", "Blocked") if suspended else "",
        reason=suspension.get("reason", "") if suspended else "",
        plan=tenant.plan,
    )


def _rate(unit: Unit, plan: str) -> Rate | None:
    found = resources.get(unit, PLAN.name, "", plan)
    limit = orjson.loads(found.spec).get("rateLimit") if found else None
    return Rate(limit["requestsPerSecond"], limit["burst"]) if limit else None

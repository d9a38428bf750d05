"""From a bearer token to an actor: API keys and ServiceAccount tokens, each verified once and then remembered.

A remembered key is read again after a second, so that a revocation counts within one on every replica, also for who
waits with :meth:`Authenticator.lapse`. While the database is away it is believed for a minute; after that nobody is.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from tenantry import metrics
from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import OF_TENANTS, SCOPES, Actor, ApiKey, Permission, split_token
from tenantry.services import workloads
from tenantry.services.keys import LOCAL_ADMIN
from tenantry.services.keysets import KeySets
from tenantry.settings import Network
from tenantry.storage import keys
from tenantry.storage.db import UNIT_SECONDS, Database

CACHE_SIZE = 10_000  # credentials
FRESH_SECONDS = 1.0
STALE_SECONDS = 60.0

logger = logging.getLogger(__name__)


class RefusedError(TenantryError):
    """``UNAUTHENTICATED``, though the credential is known: it has expired, was revoked, or comes from elsewhere.

    ``actor`` is who it stands for.
    """

    def __init__(self, message: str, actor: Actor) -> None:
        super().__init__(Code.UNAUTHENTICATED, message)
        self.actor = actor


@dataclass(slots=True)
class _Verified:
    """A credential that was good at ``checked`` (``time.monotonic()``), under a generation of the key sets."""

    method: str
    actor: Actor
    expires: float  # epoch seconds; 0 for never
    checked: float
    generation: int = 0
    networks: tuple[Network, ...] = ()


@dataclass(slots=True)
class _Lapse:
    """The one check of a credential that ``waiting`` wait for."""

    task: asyncio.Task[TenantryError]
    waiting: int = 0


class Authenticator:
    """Tells who sends a request."""

    def __init__(
        self,
        db: Database,
        keysets: KeySets,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now, self._monotonic = now, monotonic
        self._db = db
        self._keysets = keysets
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._reading: dict[str, asyncio.Task[ApiKey | None]] = {}  # one query per key, however many ask
        self._touching: set[asyncio.Task[None]] = set()
        self._lapses: dict[tuple[str, str], _Lapse] = {}

    async def authenticate(self, token: str, address: str) -> Actor:
        """The actor that ``token`` stands for, when it comes from ``address``.

        Raises:
            TenantryError: ``UNAUTHENTICATED``; ``UNAVAILABLE`` when that cannot be told now.
            RefusedError: the credential is known, and does not work any more or not from there.
        """
        digest = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        verified = self._verified.get(digest)
        if verified is not None and self._is_fresh(verified):
            self._verified.move_to_end(digest)
        else:
            verified = await self._renew(token, digest, verified)
        if verified.expires and verified.expires <= self._now():
            del self._verified[digest]
            raise _refusal(verified.method, "expired", "the credential has expired", verified.actor)
        if verified.networks and not _is_within(address, verified.networks):
            raise _refusal(verified.method, "address", "the key does not work from this address", verified.actor)
        metrics.AUTHENTICATIONS.count(verified.method, "ok")
        return verified.actor

    async def lapse(self, token: str, address: str) -> TenantryError:
        """Wait until ``token`` is no longer good, and return why; it is checked once a second, however many wait."""
        key = token, address
        lapse = self._lapses.get(key)
        if lapse is None:
            lapse = self._lapses[key] = _Lapse(asyncio.create_task(self._check(token, address)))
        lapse.waiting += 1
        try:
            return await asyncio.shield(lapse.task)
        finally:
            lapse.waiting -= 1
            if not lapse.waiting:
                lapse.task.cancel()
                del self._lapses[key]

    async def _check(self, token: str, address: str) -> TenantryError:
        while True:
            await asyncio.sleep(FRESH_SECONDS)
            try:
                await self.authenticate(token, address)
            except TenantryError as error:
                if error.code is Code.UNAUTHENTICATED:
                    return error  # and not while that cannot be told: there is nothing new to see then either

    async def close(self) -> None:
        """Let the last uses be written."""
        await asyncio.gather(*self._touching, *self._reading.values(), return_exceptions=True)

    async def _renew(self, token: str, digest: bytes, known: _Verified | None) -> _Verified:
        try:
            verified = await self._verify(token, known)
        except TenantryError as error:
            if error.code is Code.UNAUTHENTICATED:
                self._verified.pop(digest, None)
            raise
        self._verified[digest] = verified
        self._verified.move_to_end(digest)
        if len(self._verified) > CACHE_SIZE:
            self._verified.popitem(last=False)
        return verified

    def _is_fresh(self, verified: _Verified) -> bool:
        if verified.method == "key":
            return self._monotonic() - verified.checked < FRESH_SECONDS
        self._keysets.refresh_files()
        return verified.generation == self._keysets.generation

    async def _verify(self, token: str, known: _Verified | None) -> _Verified:
        if token.startswith("tnk_"):
            return await self._verify_key(token, known)
        if token.count(".") == 2:  # noqa: PLR2004 - the two dots of a compact JWS
            return await self._verify_workload(token)
        raise _refusal("none", "malformed", "the bearer token is neither an API key nor a ServiceAccount token")

    async def _verify_key(self, token: str, known: _Verified | None) -> _Verified:
        parts = split_token(token)
        if parts is None:
            raise _refusal("key", "malformed", "the API key is mistyped or cut off")
        identifier, secret_sha = parts
        now = self._monotonic()
        usable = known if known and now - known.checked < STALE_SECONDS else None
        try:
            key = await self._read(identifier, FRESH_SECONDS if usable else UNIT_SECONDS)
        except TenantryError as error:
            if usable and error.code is Code.UNAVAILABLE:
                return usable
            metrics.AUTHENTICATIONS.count("key", "unavailable")
            raise
        if key is None or not hmac.compare_digest(key.secret_sha, secret_sha):
            raise _refusal("key", "unknown", "there is no such API key")
        if key.revoked_at:
            raise _refusal("key", "revoked", "the API key was revoked", _key_actor(key))
        self._touch(key)
        return _Verified(
            method="key",
            actor=_key_actor(key),
            expires=key.expires_at / 1_000_000,
            checked=now,
            networks=tuple(ip_network(cidr) for cidr in key.allowed_cidrs),
        )

    async def _verify_workload(self, token: str) -> _Verified:
        self._keysets.refresh_files()
        generation = self._keysets.generation
        try:
            workload = await workloads.verify(token, self._keysets)
        except workloads.ForgedError as error:
            logger.info("refused a ServiceAccount token: %s", error)
            raise _refusal("serviceaccount", "forged", "the ServiceAccount token is not valid here") from None
        except TenantryError:
            metrics.AUTHENTICATIONS.count("serviceaccount", "unavailable")
            raise
        return _Verified(
            method="serviceaccount",
            actor=_workload_actor(workload),
            expires=workload.expires + workloads.LEEWAY,
            checked=self._monotonic(),
            generation=generation,
        )

    async def _read(self, identifier: str, timeout: float) -> ApiKey | None:  # noqa: ASYNC109 - the unit's
        reading = self._reading.get(identifier)
        if reading is None:
            unit = self._db.run(keys.get, identifier, timeout=timeout)
            reading = self._reading[identifier] = asyncio.create_task(unit)
            reading.add_done_callback(lambda _: self._reading.pop(identifier))
        return await asyncio.shield(reading)  # one that asks may go away, the others still wait

    def _touch(self, key: ApiKey) -> None:
        now = ids.now_micros()
        if now - key.last_used_at < keys.USE_INTERVAL_US:
            return
        touching = asyncio.create_task(self._write_last_use(key.id, now))
        self._touching.add(touching)
        touching.add_done_callback(self._touching.discard)

    async def _write_last_use(self, identifier: str, now: int) -> None:
        with contextlib.suppress(TenantryError):  # a database that is away has more urgent news
            await self._db.run(keys.note_use, identifier, now, write=True)


def _refusal(method: str, outcome: str, message: str, actor: Actor | None = None) -> TenantryError:
    metrics.AUTHENTICATIONS.count(method, outcome)
    return RefusedError(message, actor) if actor else TenantryError(Code.UNAUTHENTICATED, message)


def _permissions(scopes: frozenset[str]) -> frozenset[Permission]:
    granted = (SCOPES[scope] for scope in scopes if scope in SCOPES)
    return frozenset({Permission.AUTHENTICATED}).union(*granted)


def _key_actor(key: ApiKey) -> Actor:
    scopes = frozenset(key.scopes)
    permissions = _permissions(scopes)
    return Actor(
        name=LOCAL_ADMIN if key.owner == LOCAL_ADMIN else f"key:{key.id}",
        groups=("system:authenticated",),
        scopes=scopes,
        permissions=permissions & OF_TENANTS if key.tenant_id else permissions,
        tenant_id=key.tenant_id,
    )


def _workload_actor(workload: workloads.Workload) -> Actor:
    scopes = frozenset(workload.scopes)
    _, _, namespace, name = workload.subject.split(":")
    return Actor(
        name=f"serviceaccount:{workload.cluster}:{namespace}:{name}",
        groups=("system:authenticated",),
        scopes=scopes,
        permissions=_permissions(scopes),
        cluster=workload.cluster,
        namespace=namespace,
    )


def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in network for network in networks)

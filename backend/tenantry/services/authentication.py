"""From a credential to an actor: API keys, browser sessions, access tokens and ServiceAccount tokens.

A credential is verified once and remembered; what its bearer may do is computed again whenever something of that has
changed (``services/standing.py``), on every replica within a second, also for who waits with
:meth:`Authenticator.lapse`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from tenantry import metrics
from tenantry.addresses import Network
from tenantry.model import ids
from tenantry.model.credentials import Prefix, split_token
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, ApiKey, Session, UserStatus
from tenantry.model.permissions import Permission
from tenantry.services.machines import workload_places, workloads
from tenantry.services.machines.keysets import KeySets
from tenantry.services.machines.token_reviews import REVIEW_SECONDS
from tenantry.services.oauth.access_tokens import AccessTokens
from tenantry.services.refusals import counting, refusal
from tenantry.services.rights import Rights, actor_of, bearer_of
from tenantry.services.standing import Standing
from tenantry.services.tenancy import suspended
from tenantry.storage import keys, sessions
from tenantry.storage.db import Database

CACHE_SIZE = 10_000  # credentials
#: between two checks of a credential with which somebody waits, when there is no news; and however much there is
CHECK_SECONDS = 1.0
PAUSE_SECONDS = 0.2
_TOUCH_SECONDS = keys.USE_INTERVAL_US / 1_000_000
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Verified:
    """A credential that was good, under a version of the standing and a generation of the key sets.

    ``touch`` notes that it is used; ``touched`` is when that was done last, in ``time.monotonic()``.
    """

    method: str
    actor: Actor
    expires: float  # epoch seconds; 0 for never
    version: int | None  # None: it rests on nothing that the standing tells
    generation: int | None = None  # None: nor on a key set
    until: float = math.inf  # when it must be verified again, in time.monotonic()
    networks: tuple[Network, ...] = ()
    touch: Callable[[], Coroutine[None, None, None]] | None = None
    touched: float = -math.inf


@dataclass(slots=True)
class _Lapse:
    """The one check of a credential that ``waiting`` wait for."""

    task: asyncio.Task[TenantryError]
    waiting: int = 0


class Authenticator:
    """Tells who sends a request."""

    def __init__(  # noqa: PLR0913 - what it is made of
        self,
        db: Database,
        standing: Standing,
        keysets: KeySets,
        tokens: AccessTokens,
        *,
        second_factor: str = "Optional",
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now, self._monotonic = now, monotonic
        self._db = db
        self._standing = standing
        self._rights = Rights(standing, second_factor)
        self._keysets = keysets
        self._tokens = tokens
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._touching: set[asyncio.Task[None]] = set()
        self._lapses: dict[tuple[str, str], _Lapse] = {}

    async def authenticate(self, token: str, address: str, *, is_use: bool = True) -> Actor:
        """The actor that ``token`` stands for, when it comes from ``address``.

        A browser session is such a token too; that it comes in a cookie, and never as a bearer, is the caller's care.

        Args:
            token: the credential.
            address: of who sends it.
            is_use: somebody asks for something with it, so that an idle session lasts longer.

        Raises:
            TenantryError: ``UNAUTHENTICATED``; ``UNAVAILABLE`` when that cannot be told now.
            RefusedError: the credential is known, and does not work any more or not from there.
        """
        digest = _digest(token)
        verified = self._verified.get(digest)
        if verified is not None and self._is_fresh(verified):
            self._verified.move_to_end(digest)
        else:
            verified = await self._renew(token, digest, verified)
        if verified.expires and verified.expires <= self._now():
            del self._verified[digest]
            raise refusal(verified.method, "expired", "the credential has expired", verified.actor)
        if verified.networks and not _is_within(address, verified.networks):
            raise refusal(verified.method, "address", "the key does not work from this address", verified.actor)
        if is_use and verified.touch and self._monotonic() - verified.touched > _TOUCH_SECONDS:
            verified.touched = self._monotonic()
            touching = asyncio.create_task(self._touch(verified.touch))
            self._touching.add(touching)
            touching.add_done_callback(self._touching.discard)
        metrics.AUTHENTICATIONS.count(verified.method, "ok")
        return verified.actor

    def knows(self, token: str) -> bool:
        """Whether ``token`` was good when it was used last, which costs nothing to tell."""
        return _digest(token) in self._verified

    async def lapse(self, token: str, address: str) -> TenantryError:
        """Wait until ``token`` is no longer good, and return why; one check is made for all who wait."""
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
            version = self._standing.version
            try:
                actor = await self.authenticate(token, address, is_use=False)
            except TenantryError as error:
                if error.code is Code.UNAUTHENTICATED:
                    return error  # and not while that cannot be told: there is nothing new to see then either
            else:
                if actor.suspended and Permission.RESOURCES_READ not in actor.permissions:
                    return suspended(actor)
            await asyncio.sleep(PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):  # then time alone may have ended it, or another key set
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._standing.wait_beyond(version)

    async def close(self) -> None:
        """Let the last uses be written."""
        await asyncio.gather(*self._touching, return_exceptions=True)

    async def _renew(self, token: str, digest: bytes, known: _Verified | None) -> _Verified:
        try:
            verified = await self._verify(token)
        except TenantryError as error:
            if error.code is Code.UNAUTHENTICATED:
                self._verified.pop(digest, None)
            raise
        if known:
            verified.touched = known.touched
        self._verified[digest] = verified
        self._verified.move_to_end(digest)
        if len(self._verified) > CACHE_SIZE:
            self._verified.popitem(last=False)
        return verified

    def _is_fresh(self, verified: _Verified) -> bool:
        if verified.generation is not None:
            self._keysets.refresh_files()
            if verified.generation != self._keysets.generation or self._monotonic() > verified.until:
                return False
        return verified.version is None or (verified.version == self._standing.version and self._standing.is_fresh)

    async def _verify(self, token: str) -> _Verified:
        if token.startswith(f"{Prefix.KEY}_"):
            return await self._verify_key(token)
        if token.startswith(f"{Prefix.SESSION}_"):
            return await self._verify_session(token)
        if token.count(".") == 2:  # noqa: PLR2004 - the two dots of a compact JWS
            return await (self._verify_token(token) if self._tokens.names(token) else self._verify_workload(token))
        raise refusal("none", "malformed", "the bearer token is no API key, access token or ServiceAccount token")

    async def _verify_key(self, token: str) -> _Verified:
        parts = split_token(token)
        if parts is None:
            raise refusal("key", "malformed", "the API key is mistyped or cut off")
        identifier, secret_sha = parts
        version = self._standing.version
        with counting("key"):
            key = await self._standing.key(identifier)
        if key is None or not hmac.compare_digest(key.secret_sha, secret_sha):
            raise refusal("key", "unknown", "there is no such API key")
        if key.revoked_at:
            raise refusal("key", "revoked", "the API key was revoked", bearer_of(key))
        with counting("key"):
            actor = await self._rights.of_key(key)
        return _Verified(
            method="key",
            actor=actor,
            expires=key.expires_at / 1_000_000,
            version=version,
            networks=tuple(ip_network(cidr) for cidr in key.allowed_cidrs),
            touch=lambda: self._note_use(key),
        )

    async def _verify_session(self, token: str) -> _Verified:
        parts = split_token(token, Prefix.SESSION)
        if parts is None:
            raise refusal("session", "malformed", "the session cookie is cut off")
        identifier, secret_sha = parts
        version = self._standing.version
        with counting("session"):
            session = await self._standing.session(identifier)
            if session and session.ends_at() <= self._now() * 1_000_000:  # another replica may have seen it later
                self._standing.forget("Session", identifier)
                session = await self._standing.session(identifier)
            if session is None or not hmac.compare_digest(session.secret_sha, secret_sha):
                raise refusal("session", "unknown", "there is no such session")
            user = await self._standing.user(session.user_id)
            if user and user.auth_version < session.auth_version:  # the news of the change is still on its way
                self._standing.forget("User", user.id)
                user = await self._standing.user(session.user_id)
        actor = Actor(
            name=f"user:{session.user_id}",
            groups=("system:authenticated",),
            user_id=session.user_id,
            session_id=session.id,
        )
        if session.revoked_at or user is None or user.auth_version != session.auth_version:
            raise refusal("session", "revoked", "the session was ended: sign in again", actor)
        if user.status is not UserStatus.ACTIVE:
            raise refusal("session", "disabled", "the user is disabled", actor)
        with counting("session"):
            actor = await self._rights.of_session(actor, user, session)
        return _Verified(
            method="session",
            actor=actor,
            expires=session.ends_at() / 1_000_000,
            version=version,
            touch=lambda: self._note_presence(token, session),
        )

    async def _verify_token(self, token: str) -> _Verified:
        version = self._standing.version
        with counting("token"):
            try:
                said = await self._tokens.verify(token)
            except workloads.ForgedError as error:
                logger.info("refused an access token: %s", error)
                raise refusal("token", "forged", "the access token is not valid here, or not any more") from None
            actor = await self._rights.of_token(said)
        return _Verified(method="token", actor=actor, expires=said.expires + workloads.LEEWAY, version=version)

    async def _verify_workload(self, token: str) -> _Verified:
        self._keysets.refresh_files()
        generation, version = self._keysets.generation, self._standing.version
        try:
            with counting("serviceaccount"):
                workload = await workloads.verify(token, self._keysets)
        except workloads.ForgedError as error:
            logger.info("refused a ServiceAccount token: %s", error)
            raise refusal("serviceaccount", "forged", "the ServiceAccount token is not valid here") from None
        actor, account = actor_of(workload), None
        if workload.scopes is None:
            with counting("serviceaccount"):
                account = await self._standing.workload(workload.cluster, workload.subject)
                owner = await self._standing.holder(workload.cluster, actor.namespace)
                if account is None or not workload_places.is_good(owner, account.tenant_id, given=account.given):
                    raise refusal("serviceaccount", "unknown", "the ServiceAccount is not known here", actor)
                actor = await self._rights.as_service_account(actor, account)
        return _Verified(
            method="serviceaccount",
            actor=actor,
            expires=workload.expires + workloads.LEEWAY,
            version=version if account else None,
            generation=generation,
            until=self._monotonic() + REVIEW_SECONDS if workload.reviewed else math.inf,
        )

    async def _note_use(self, key: ApiKey) -> None:
        now = ids.now_micros()
        if now - key.last_used_at >= keys.USE_INTERVAL_US:
            await self._db.run(keys.note_use, key.id, now, write=True)

    async def _note_presence(self, token: str, session: Session) -> None:
        now = ids.now_micros()
        if now - session.last_seen_at >= sessions.USE_INTERVAL_US:
            await self._db.run(sessions.note_use, session.id, now, write=True)
            self._standing.forget("Session", session.id)  # it lasts longer now
            self._verified.pop(_digest(token), None)

    @staticmethod
    async def _touch(touch: Callable[[], Coroutine[None, None, None]]) -> None:
        with contextlib.suppress(TenantryError):  # a database that is away has more urgent news
            await touch()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in network for network in networks)

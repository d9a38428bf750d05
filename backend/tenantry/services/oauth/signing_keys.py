"""The keys that sign tokens: made, published, used, replaced and deleted, all by the clock.

A key is published at least 15 minutes before it signs, signs for 30 days, and stays published until what it has signed
has expired. Which one signs is a matter of ``active_from`` alone, so that all replicas agree. Private keys lie in the
database, encrypted under a key from outside it. One that cannot be read with that, because it was replaced too early,
stops nothing: another signs, and it is told of.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import base64_to_int

from tenantry import metrics
from tenantry.model import ids
from tenantry.model.audit_chain import Seals
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.notice import Notice
from tenantry.model.oauth import SigningKey
from tenantry.services.audit.log import event
from tenantry.services.encryption import Encryption
from tenantry.services.standing import Standing
from tenantry.settings import WrongSettingError
from tenantry.storage import audit, audit_chains, changes, leases, signing_keys
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

#: microseconds that a key is published before it signs; that it signs; that it stays published afterwards
PUBLISH_US = 15 * 60 * 1_000_000
ACTIVE_US = 30 * 86_400 * 1_000_000
RETIRED_US = 3600 * 1_000_000
LEASE, LEASE_SECONDS = "signing-keys", 10.0
RSA_BITS = 2048
_CHAINS = 100  # that are looked at to know a key again

#: what there is to do about an encryption key that is another than the database's
LOST = (
    "TENANTRY_KEY_FILE: the key is not the one of this database's secrets (on loopback without the setting: that of "
    "encryption-key in the data directory): put the right one there and start the server again; only if it is lost for "
    "good, run tenantry admin signing-keys drop-active first"
)
_ANOTHERS = "the server has the encryption key of another database"
#: who acts when the clock does
_WORKER = Actor(name="worker")
_CHANGED = Notice(kind="SigningKey", name="all")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedKey:
    """A key that can sign and verify."""

    id: str
    alg: str
    key: RSAKey | ECKey
    active_from: int

    def public(self) -> dict[str, Any]:
        """The JWK that others verify with."""
        return {**self.key.as_dict(private=False), "kid": self.id, "alg": self.alg, "use": "sig"}


class KeyRing:
    """All keys of one moment, in the order in which they become active."""

    def __init__(self, keys: Sequence[LoadedKey]) -> None:
        self.keys = tuple(keys)
        self._by_id = {key.id: key for key in keys}

    def find(self, kid: str) -> LoadedKey | None:
        """The key of that ``kid``, also one that does not sign yet or any more."""
        return self._by_id.get(kid)

    def signer(self, now: int) -> LoadedKey:
        """The key that signs; ``now`` in epoch microseconds. A first key signs at once: nobody knows an older one."""
        active = [key for key in self.keys if key.active_from <= now]
        return active[-1] if active else self.keys[0]


class SigningKeys:
    """The signing keys over one database."""

    def __init__(  # noqa: PLR0913 - the services that it brings together
        self,
        db: Database,
        standing: Standing,
        encryption: Encryption,
        seals: Seals,
        alg: str,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._db = db
        self._standing = standing
        self._encryption = encryption
        self._seals = seals
        self._alg = alg
        self._now = now
        self._holder = ids.uuid7()
        self._loaded: tuple[tuple[SigningKey, ...], KeyRing] = ((), KeyRing(()))
        #: id of each key that cannot be read here -> why, as far as was seen
        self.unreadable: Mapping[str, str] = {}
        self._making = asyncio.Lock()

    async def ring(self) -> KeyRing:
        """The keys as they are now; the first one is made when it is asked for.

        Raises:
            TenantryError: ``UNAVAILABLE``, the database is away, there is no key to encrypt with, or another one than
                all of them were encrypted with.
        """
        rows = await self._rows()
        if not rows:
            async with self._making:
                rows = await self._rows()
                if not rows:
                    if not await self._has_sealed():  # who has the right key could read none that is made now
                        raise TenantryError(Code.UNAVAILABLE, LOST, public=_ANOTHERS)
                    await self._db.run(self._insert_first, await self._make(self._micros()), write=True)
                    self._standing.forget(_CHANGED.kind, _CHANGED.name)
                    rows = await self._rows()
        ring = self._read(rows)
        if not ring.keys:
            raise TenantryError(Code.UNAVAILABLE, self.unreadable[rows[-1].id], public=_ANOTHERS)
        return ring

    async def check(self) -> None:
        """See that the encryption key is the database's: it reads one of the signing keys.

        Where there are none yet, since the first token makes one, it has sealed what was sealed. Without an encryption
        key there are no tokens, and all else is served.

        Raises:
            WrongSettingError: it is another database's.
            TenantryError: ``UNAVAILABLE``, the database is away.
        """
        if not self._seals:
            return
        rows = await self.list()
        is_ours = len(self.unreadable) < len(rows) if rows else await self._has_sealed()
        if not is_ours:
            raise WrongSettingError(LOST)

    async def rotate_when_due(self) -> None:
        """Make the next key before the active one is too old, and delete those of which nothing is good any more.

        One replica does it: the one that works for all (``services/worker.py``). Before the first token there is
        nothing to do.
        """
        rows, now = await self._db.run(signing_keys.all_keys), self._micros()
        if not rows:
            return
        last, readable = rows[-1], self._read(rows)
        if not readable.keys:  # then it is this replica that has another key than the others
            return
        if last.active_from <= now and (last.alg != self._alg or readable.find(last.id) is None):
            await self._db.run(self._add, _WORKER, await self._make(now + PUBLISH_US), write=True)
        elif last.active_from + ACTIVE_US - 2 * PUBLISH_US <= now:
            made = await self._make(max(now + PUBLISH_US, last.active_from + ACTIVE_US))
            await self._db.run(self._add, _WORKER, made, write=True)
        # a key that cannot be read has taken over from none
        over = [key.active_from for key in readable.keys if key.active_from + RETIRED_US <= now]
        old = [key.id for key in rows if over and key.active_from < over[-1]]
        if old:
            await self._db.run(self._delete, old, write=True)

    async def rotate(self, actor: Actor) -> SigningKey:
        """Let another key sign as soon as everybody can know it, in 15 minutes; the old one stays good meanwhile."""
        made = await self._make(self._micros() + PUBLISH_US)
        await self._db.run(self._add, actor, made, write=True)
        return made

    async def drop_active(self, actor: Actor) -> SigningKey:
        """Delete the key that signs, and let another one sign at once: every token that it signed is refused."""
        made = await self._make(self._micros())
        await self._db.run(self._drop, actor, made, write=True)
        return made

    async def list(self) -> tuple[SigningKey, ...]:
        """All keys, in the order in which they become active; which of them cannot be read is told then."""
        rows = await self._db.run(signing_keys.all_keys)
        self._read(rows)
        return rows

    async def _has_sealed(self) -> bool:
        """Whether the encryption key has signed one of the audit chains, where there are any, and a key."""
        chains = await self._db.run(audit_chains.some, _CHAINS) if self._seals else []
        return not chains or any(map(self._seals.is_signed, chains))

    async def _rows(self) -> tuple[SigningKey, ...]:
        return await self._standing.signing_keys()

    async def _make(self, active_from: int) -> SigningKey:
        key = await asyncio.to_thread(_generate, self._alg)  # 100 ms and more for RSA
        kid = key.thumbprint()
        private = json.dumps(key.as_dict(private=True)).encode()
        return SigningKey(
            id=kid[:36],
            alg=self._alg,
            private=self._encryption.encrypt(private, context(kid[:36])),
            created_at=self._micros(),
            active_from=active_from,
        )

    def _read(self, rows: tuple[SigningKey, ...]) -> KeyRing:
        """What can be read of ``rows``; what cannot is told of."""
        if rows == self._loaded[0]:
            return self._loaded[1]
        loaded, unreadable = [], {}
        for row in rows:
            try:
                loaded.append(self._load(row))
            except (TenantryError, JoseError, ValueError, KeyError) as error:
                unreadable[row.id] = str(error)
        for key_id in unreadable.keys() - self.unreadable.keys():
            logger.error("the signing key %s cannot be read: %s", key_id, unreadable[key_id])
        self.unreadable = unreadable
        metrics.SIGNING_KEYS_UNREADABLE.value = len(unreadable)
        self._loaded = rows, KeyRing(loaded)
        return self._loaded[1]

    def _load(self, row: SigningKey) -> LoadedKey:
        document = json.loads(self._encryption.decrypt(row.private, context(row.id)))
        return LoadedKey(row.id, row.alg, _import(row.alg, document), row.active_from)

    def _insert_first(self, unit: Unit, key: SigningKey) -> None:
        lease = leases.acquire(unit, LEASE, self._holder, LEASE_SECONDS)  # others wait for its row, and find the key
        if lease is None or signing_keys.all_keys(unit):
            return
        signing_keys.insert(unit, key)
        leases.release(unit, lease)
        audit.append(unit, event(_WORKER, "signing-key.create", "SigningKey", key.id, at=key.created_at, tenant_id=""))
        changes.announce(unit, _CHANGED, at=key.created_at)

    @staticmethod
    def _add(unit: Unit, actor: Actor, key: SigningKey) -> None:
        signing_keys.insert(unit, key)
        audit.append(unit, event(actor, "signing-key.create", "SigningKey", key.id, at=key.created_at, tenant_id=""))
        changes.announce(unit, _CHANGED, at=key.created_at)

    def _delete(self, unit: Unit, key_ids: Sequence[str]) -> None:
        now = self._micros()
        for key_id in key_ids:
            signing_keys.delete(unit, key_id)
            audit.append(unit, event(_WORKER, "signing-key.delete", "SigningKey", key_id, at=now, tenant_id=""))
        changes.announce(unit, _CHANGED, at=now)

    def _drop(self, unit: Unit, actor: Actor, successor: SigningKey) -> None:
        now = successor.active_from
        for key in reversed(signing_keys.all_keys(unit)):
            if key.active_from <= now:
                signing_keys.delete(unit, key.id)
                audit.append(unit, event(actor, "signing-key.drop", "SigningKey", key.id, at=now, tenant_id=""))
                break
        signing_keys.insert(unit, replace(successor, active_from=now))
        audit.append(unit, event(actor, "signing-key.create", "SigningKey", successor.id, at=now, tenant_id=""))
        changes.announce(unit, _CHANGED, at=now)

    def _micros(self) -> int:
        return int(self._now() * 1_000_000)


def _generate(alg: str) -> RSAKey | ECKey:
    return RSAKey.generate_key(RSA_BITS) if alg == "RS256" else ECKey.generate_key("P-256")


def _import(alg: str, document: dict[str, Any]) -> RSAKey | ECKey:
    """The key of a JWK that we have made."""
    if alg == "ES256":
        return ECKey.import_key(document)
    if alg != "RS256":
        raise ValueError(f"{alg} is none of our algorithms")
    number = {name: base64_to_int(document[name]) for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi")}
    numbers = RSAPrivateNumbers(
        p=number["p"],
        q=number["q"],
        d=number["d"],
        dmp1=number["dp"],
        dmq1=number["dq"],
        iqmp=number["qi"],
        public_numbers=RSAPublicNumbers(number["e"], number["n"]),
    )
    # its encryption proves that nobody has changed it; to prove that it is sound would hold up the loop for 30 ms
    return RSAKey.import_key(numbers.private_key(unsafe_skip_rsa_key_validation=True))


def context(kid: str) -> str:
    """Where the private part of the key belongs."""
    return f"signing key:{kid}"

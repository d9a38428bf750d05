"""Encrypting everything anew under the newest key, so that an older one can go.

What lives for seconds, the successors of refresh tokens, is left; and the audit log is sealed, not encrypted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tenantry.model import ids
from tenantry.model.errors import TenantryError
from tenantry.model.identity import Actor
from tenantry.services.audit.log import event
from tenantry.services.encryption import Encryption
from tenantry.services.federation import providers
from tenantry.services.oauth import signing_keys
from tenantry.services.people import factors
from tenantry.services.webhooks import registry
from tenantry.storage import audit, ciphertexts
from tenantry.storage.ciphertexts import Place
from tenantry.storage.db import Database

_PAGE = 200

#: what it is, for people; where it is kept; what its key makes of it for the encryption
_KINDS: tuple[tuple[str, Place, Callable[[str], str]], ...] = (
    ("signing keys", ciphertexts.SIGNING_KEYS, signing_keys.context),
    ("secrets of identity providers", ciphertexts.PROVIDERS, providers.context),
    ("second factors", ciphertexts.FACTORS, factors.context),
    ("secrets of webhooks", ciphertexts.WEBHOOKS, registry.context),
    ("earlier secrets of webhooks", ciphertexts.OLD_OF_WEBHOOKS, registry.context),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many of a kind there are, how many of them were encrypted anew, and which no key can read."""

    kind: str
    found: int
    renewed: int
    unreadable: tuple[str, ...]


class Reencryption:
    """Encrypts anew what one database holds; servers may run meanwhile, if they have all the keys, the newest first."""

    def __init__(self, db: Database, encryption: Encryption) -> None:
        self._db = db
        self._encryption = encryption

    async def run(self, actor: Actor) -> list[Count]:
        """Encrypt everything that an older key has encrypted; the audit log has how much it was.

        Raises:
            TenantryError: ``UNAVAILABLE``, there is no key, or no database.
        """
        self._encryption.check()
        counts = [await self._renew_all(*kind) for kind in _KINDS]
        told = ", ".join(f"{each.renewed} {each.kind}" for each in counts if each.renewed)
        if told:
            row = event(actor, "secrets.reencrypt", "Encryption", "", at=ids.now_micros(), message=told)
            await self._db.run(audit.append, row, write=True)
        return counts

    async def _renew_all(self, kind: str, place: Place, context: Callable[[str], str]) -> Count:
        found, renewed, after, unreadable = 0, 0, "", []
        while page := await self._db.run(partial(ciphertexts.page, after=after, limit=_PAGE), place):
            for key, text in page:
                try:
                    new = self._encryption.renew(text, context(key))
                except TenantryError:
                    unreadable.append(key)
                    continue
                # who has written another meanwhile has done so with the newest key
                if new != text and await self._db.run(ciphertexts.replace, place, key, text, new, write=True):
                    renewed += 1
            found, after = found + len(page), page[-1][0]
        return Count(kind=kind, found=found, renewed=renewed, unreadable=tuple(unreadable))

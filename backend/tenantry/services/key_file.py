"""Whether the encryption key is the one of the database: what was made with it before must be readable now."""

from __future__ import annotations

from tenantry.model.audit_chain import Seals
from tenantry.services.oauth.signing_keys import SigningKeys
from tenantry.settings import WrongSettingError
from tenantry.storage import audit_chains
from tenantry.storage.db import Database

#: what there is to do about a key that reads nothing
LOST = (
    "TENANTRY_KEY_FILE: the key is not the one of this database's secrets (on loopback without the setting: that of "
    "encryption-key in the data directory): put the right one there and start the server again; only if it is lost for "
    "good, run tenantry admin signing-keys drop-active first"
)


class KeyFile:
    """The key in ``TENANTRY_KEY_FILE``, beside one database."""

    def __init__(self, db: Database, signing_keys: SigningKeys, seals: Seals) -> None:
        self._db = db
        self._signing_keys = signing_keys
        self._seals = seals

    async def check(self) -> None:
        """See that one of the signing keys can be read; where there is none, that one of the audit chains was signed.

        The first token makes a signing key, and the first write a chain. Who has lost the key makes a signing key with
        another. Without a key there are no tokens, and all else is served.

        Raises:
            WrongSettingError: none is, and so the key is that of another database.
            TenantryError: ``UNAVAILABLE``, the database is away.
        """
        if not self._seals:
            return
        if keys := await self._signing_keys.list():
            is_known = len(self._signing_keys.unreadable) < len(keys)
        else:
            chains = await self._db.run(audit_chains.signed)
            is_known = not chains or any(map(self._seals.is_signed, chains))
        if not is_known:
            raise WrongSettingError(LOST)

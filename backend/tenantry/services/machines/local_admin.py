"""The administrator of a laptop: one API key, kept in the data directory and used again at every start."""

from __future__ import annotations

import hmac

from tenantry.datadir import DataDirectory
from tenantry.model.credentials import split_token
from tenantry.model.identity import Actor
from tenantry.model.permissions import SCOPES
from tenantry.services.machines.keys import LOCAL_ADMIN, Keys
from tenantry.storage import keys
from tenantry.storage.db import Database

_FILE = "admin-token"
_SCOPE = "platform:admin"

#: who acts when somebody with access to the database runs a command
ACTOR = Actor(name=LOCAL_ADMIN, scopes=frozenset({_SCOPE}), permissions=SCOPES[_SCOPE])


async def local_token(db: Database, directory: DataDirectory) -> str:
    """The token in the data directory; a new one when there is none, or when its key is not good any more.

    Raises:
        TenantryError: ``UNAVAILABLE``, the database is away.
    """
    token = (directory.read(_FILE) or b"").decode(errors="replace").strip()
    parts = split_token(token)
    if parts:
        identifier, secret_sha = parts
        key = await db.run(keys.get, identifier)
        if key and not key.revoked_at and hmac.compare_digest(key.secret_sha, secret_sha):
            return token
    made = await Keys(db).create(ACTOR, "local administrator", [_SCOPE], owner=LOCAL_ADMIN, lifetime=0)
    directory.write(_FILE, made.token.encode())
    return made.token

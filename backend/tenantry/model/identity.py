"""Who may do what: permissions, actors and the opaque credentials of machines.

The permission table is the one place where a right is named; routes declare the permission that they need,
and the docs and the OpenAPI security are generated from here.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum


class Permission(StrEnum):
    """One right. The value is also the scope that a credential must carry to use it."""

    PUBLIC = "public"  # no credential needed; must be spelled out on a route
    AUTHENTICATED = "authenticated"  # any valid credential
    RESOURCES_READ = "resources:read"
    RESOURCES_WRITE = "resources:write"
    AUDIT_READ = "audit:read"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    TOMBSTONES_RELEASE = "tombstones:release"
    PLATFORM_RECONCILE = "platform:reconcile"


#: scope bundle -> the permissions that it stands for. ``platform:admin`` is what `tenantry admin key create` gives.
SCOPES: dict[str, frozenset[Permission]] = {
    "platform:admin": frozenset(
        {
            Permission.RESOURCES_READ,
            Permission.RESOURCES_WRITE,
            Permission.AUDIT_READ,
            Permission.KEYS_READ,
            Permission.KEYS_WRITE,
            Permission.TOMBSTONES_RELEASE,
        }
    ),
    "platform:read": frozenset({Permission.RESOURCES_READ, Permission.AUDIT_READ}),
    "platform:reconcile": frozenset(
        {Permission.PLATFORM_RECONCILE, Permission.RESOURCES_READ, Permission.RESOURCES_WRITE}
    ),
}


#: what a credential that belongs to one tenant may do at most: Plans and Tenants are written by the platform alone
OF_TENANTS = frozenset(
    {
        Permission.AUTHENTICATED,
        Permission.RESOURCES_READ,
        Permission.AUDIT_READ,
        Permission.KEYS_READ,
        Permission.KEYS_WRITE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The authenticated caller of one request.

    ``tenant_id`` is set for a credential that belongs to one tenant; such an actor sees that tenant and nothing else.
    ``cluster`` is the registered name of the cluster whose key set verified the token, if one did, and ``namespace``
    that of the ServiceAccount there.
    """

    name: str
    groups: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    permissions: frozenset[Permission] = frozenset()
    tenant_id: str = ""
    cluster: str = ""
    namespace: str = ""
    request_id: str = ""
    ip: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether this actor holds ``permission``."""
        return permission is Permission.PUBLIC or permission in self.permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A stored key. The secret itself is shown once and kept only as its SHA-256."""

    id: str
    name: str
    secret_sha: str  # hex
    scopes: tuple[str, ...]
    owner: str  # the service account or administrator that it acts as
    tenant_id: str = ""
    created_by: str = ""
    created_at: int = 0
    expires_at: int = 0  # 0: never
    revoked_at: int = 0  # 0: not revoked
    last_used_at: int = 0
    allowed_cidrs: tuple[str, ...] = field(default=())


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 16
SECRET_LENGTH = 43  # 256 bit
CRC_LENGTH = 6

#: what a text may hold of a credential: an API key, with or without its checksum, and a ServiceAccount token
_CREDENTIAL = re.compile(
    rf"(?P<key>[a-z]{{2,4}}_[0-9A-Za-z]{{{ID_LENGTH}}}_)[0-9A-Za-z]{{8,}}(?:_[0-9A-Za-z]*)?"
    r"|(?P<jwt>\beyJ[\w-]{5,}\.)[\w-]+\.[\w-]*"
)


def redact(text: str) -> str:
    """``text`` without the secret part of credentials: what is kept or logged of a request goes through here."""
    return _CREDENTIAL.sub(lambda match: f"{match['key'] or match['jwt']}***", text)


def new_token(prefix: str = "tnk") -> tuple[str, str, str]:
    """A fresh credential as ``(token, id, sha256 of the secret in hex)``; the token is never stored."""
    identifier = "".join(secrets.choice(_BASE62) for _ in range(ID_LENGTH))
    secret = "".join(secrets.choice(_BASE62) for _ in range(SECRET_LENGTH))
    body = f"{prefix}_{identifier}_{secret}"
    return f"{body}_{_crc(body)}", identifier, hash_secret(secret)


def split_token(token: str, prefix: str = "tnk") -> tuple[str, str] | None:
    """``(id, sha256 of the secret)`` of a well-formed token, else None; a mistyped one is refused without a query."""
    parts = token.split("_")
    if len(parts) != 4 or parts[0] != prefix or not token.isascii():  # noqa: PLR2004 - prefix, id, secret, crc
        return None
    _, identifier, secret, crc = parts
    if (len(identifier), len(secret)) != (ID_LENGTH, SECRET_LENGTH) or crc != _crc(token.rpartition("_")[0]):
        return None
    return identifier, hash_secret(secret)


def hash_secret(secret: str) -> str:
    """SHA-256 in hex; enough for a 256-bit random secret, which no dictionary holds."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _crc(body: str) -> str:
    number, digits = binascii.crc32(body.encode()), ""
    for _ in range(CRC_LENGTH):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits

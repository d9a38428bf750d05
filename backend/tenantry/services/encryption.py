"""Encryption at rest of what the server must be able to read again: private keys, TOTP secrets, clients' secrets.

AES-256-GCM under a key from outside the database, so that a dump of it holds no secret. The text is bound to where it
belongs (``context``): copied into another row it cannot be read.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tenantry.datadir import DataDirectory
from tenantry.model.errors import Code, TenantryError
from tenantry.settings import Settings, WrongSettingError

_FILE = "encryption-key"
_KEY_BYTES = 32
_NONCE_BYTES = 12


class Encryption:
    """Encrypts with the first of its keys and decrypts with each: to replace a key, put another before it."""

    def __init__(self, keys: list[bytes]) -> None:
        self._material = keys
        self._keys = [AESGCM(key) for key in keys]

    def derive(self, purpose: str) -> list[bytes]:
        """A key for ``purpose`` of each of the keys (HKDF, RFC 5869), in their order; none when the server has none."""
        return [HKDF(SHA256(), _KEY_BYTES, None, purpose.encode()).derive(key) for key in self._material]

    def encrypt(self, secret: bytes, context: str) -> str:
        """``secret`` as the database keeps it, for :meth:`decrypt` with the same ``context``.

        Raises:
            TenantryError: ``UNAVAILABLE``, the server has no key.
        """
        self.check()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return b64encode(nonce + self._keys[0].encrypt(nonce, secret, context.encode())).decode()

    def decrypt(self, text: str, context: str) -> bytes:
        """The secret that ``text`` was made of.

        Raises:
            TenantryError: ``UNAVAILABLE``, the server has no key, or another one.
        """
        self.check()
        sealed = b64decode(text)
        for key in self._keys:
            try:
                return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
            except InvalidTag:
                continue
        raise TenantryError(
            Code.UNAVAILABLE, f"the key in TENANTRY_KEY_FILE is not the one that encrypted {context.partition(':')[0]}"
        )

    def renew(self, text: str, context: str) -> str:
        """``text`` as the first key encrypts it; itself when it is that already.

        Raises:
            TenantryError: as of :meth:`decrypt`.
        """
        self.check()
        sealed = b64decode(text)
        try:
            self._keys[0].decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except InvalidTag:
            return self.encrypt(self.decrypt(text, context), context)
        return text

    def check(self) -> None:
        """See that there is a key.

        Raises:
            TenantryError: ``UNAVAILABLE``.
        """
        if not self._keys:
            raise TenantryError(Code.UNAVAILABLE, "TENANTRY_KEY_FILE is not set: the server cannot keep secrets")


def open_encryption(settings: Settings, directory: DataDirectory) -> Encryption:
    """What ``TENANTRY_KEY_FILE`` holds; on loopback without one a key in the data directory, made at the first start.

    Elsewhere there is no key without the setting: replicas that made one each could not read one another's.

    Raises:
        WrongSettingError: the file holds no keys.
    """
    if settings.key_file is not None:
        return Encryption(_read(settings.key_file.read_text(encoding="utf-8", errors="replace")))
    if not settings.on_loopback:
        return Encryption([])
    text = (directory.read(_FILE) or b"").decode(errors="replace")
    if not text:
        text = b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
        directory.write(_FILE, text.encode())
    return Encryption(_read(text))


def _read(text: str) -> list[bytes]:
    try:
        keys = [b64decode(line, validate=True) for line in text.split()]
    except ValueError:  # binascii.Error is one
        keys = []
    if not keys or any(len(key) != _KEY_BYTES for key in keys):
        raise WrongSettingError("TENANTRY_KEY_FILE: must hold 32 random bytes in base64 (openssl rand -base64 32)")
    return keys

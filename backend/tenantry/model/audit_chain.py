"""The chain of a tenant's audit rows: each is sealed together with the seal before it, by a key from outside.

Who can write to the database and does not have the key can neither change a sealed row, nor take one out, put one in or
move one, without the next check telling which.
"""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import orjson

from tenantry.model.audit import AuditEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Where a chain begins and ends.

    Args:
        tenant_id: whose rows; empty for those of the platform.
        position: of the last row; the first has 1.
        seal: of the last row.
        removed: position of the last row that retention has removed, 0 for none.
        removed_seal: its seal, which the first row that is left goes on from.
        signature: by the key, of all that.
    """

    tenant_id: str
    position: int = 0
    seal: str = ""
    removed: int = 0
    removed_seal: str = ""
    signature: str = ""

    @property
    def head(self) -> str:
        """Its end in one word, to be compared with later."""
        return f"{self.position}:{self.seal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A row of a chain."""

    event: AuditEvent
    position: int
    seal: str


#: what a field is in most rows: so that a field which rows get one day changes no seal of those before
_DEFAULTS = {
    field.name: field.default for field in dataclasses.fields(AuditEvent) if field.default is not dataclasses.MISSING
}
_NAMES = [field.name for field in dataclasses.fields(AuditEvent)]
#: all of a chain that its signature is of
_signed = attrgetter(*(field.name for field in dataclasses.fields(Chain) if field.name != "signature"))


class Seals:
    """Seals with the first of its keys and checks with each, as :class:`tenantry.services.encryption.Encryption`."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = keys

    def __bool__(self) -> bool:
        """Whether there is a key at all."""
        return bool(self._keys)

    def extend(self, chain: Chain, events: Sequence[AuditEvent]) -> tuple[Chain, list[Link]]:
        """``chain`` with ``events`` at its end, and its new links."""
        position, seal = chain.position, chain.seal
        links = []
        for event in events:
            position += 1
            seal = _mac(self._keys[0], _content(event, position, seal))
            links.append(Link(event=event, position=position, seal=seal))
        return self.sign(dataclasses.replace(chain, position=position, seal=seal)), links

    def sign(self, chain: Chain) -> Chain:
        """``chain`` with its signature."""
        return dataclasses.replace(chain, signature=_mac(self._keys[0], _ends(chain)))

    def is_signed(self, chain: Chain) -> bool:
        """Whether the ends of ``chain`` are those that were signed."""
        return self._is_of(_ends(chain), chain.signature)

    def is_sealed(self, link: Link, previous: str) -> bool:
        """Whether ``link`` is the row that was sealed at its place, after the seal ``previous``."""
        return self._is_of(_content(link.event, link.position, previous), link.seal)

    def _is_of(self, content: bytes, mac: str) -> bool:
        return any(hmac.compare_digest(_mac(key, content).encode(), mac.encode()) for key in self._keys)


def _content(event: AuditEvent, position: int, previous: str) -> bytes:
    fields = {name: value for name in _NAMES if (value := getattr(event, name)) != _DEFAULTS.get(name)}
    return orjson.dumps(["row", position, previous, fields], option=orjson.OPT_SORT_KEYS)


def _ends(chain: Chain) -> bytes:
    return orjson.dumps(["ends", *_signed(chain)])


def _mac(key: bytes, content: bytes) -> str:
    return hmac.digest(key, content, "sha256").hex()

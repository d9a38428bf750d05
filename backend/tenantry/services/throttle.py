"""How often strangers may try: counted in the database, so that all replicas count together.

An attempt is counted before it is made, so that twenty at once are twenty; a good one is given back. No account is
ever locked: whoever is refused is refused at one network, and what is tried on an account from everywhere at once only
becomes slow, but for browsers that have signed in to it before.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.storage import throttle
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit


@dataclass(frozen=True, slots=True)
class Limit:
    """So many attempts within so many seconds."""

    name: str
    attempts: int
    seconds: int


#: passwords of one account, from one network, or from one browser that has signed in to it before
PASSWORDS = Limit("passwords", 10, 900)
#: passwords of one account from everywhere: beyond them each waits
ACCOUNT = Limit("account", 30, 3600)
#: codes of one sign-in, and of one account
CODES_OF_LOGIN = Limit("codes of a login", 5, 600)
CODES = Limit("codes", 20, 3600)
#: wrong codes of devices, by session and by network
DEVICE_CODES = Limit("device codes", 5, 600)
#: passwords that somebody who is signed in says again, by session: it may have been left open, or stolen
CONFIRMATIONS = Limit("confirmations", 10, 900)
#: times that a client fails to prove itself, by client and network; all that name none by network alone
CLIENTS = Limit("clients", 20, 60)
#: mails of one kind that somebody asks for to one address: who uses them up has them sent, or keeps nobody from others
MAILS = Limit("mails", 3, 3600)
#: invites that a tenant has mailed
MAILS_OF_TENANT = Limit("mails of a tenant", 200, 3600)
#: invites that a person has mailed, in all tenants, of which they may have made many
MAILS_OF_PERSON = Limit("mails of a person", 200, 3600)
#: mails that tell a person what has changed of their account
NEWS = Limit("news", 20, 3600)

_LONGEST_DELAY = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Ticket:
    """Attempts that were counted, by their keys."""

    keys: tuple[str, ...]


NO_TICKET = Ticket(())


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt to sign in that was counted."""

    ticket: Ticket
    count: int  # of those at the account, 0 where that does not matter


class Throttle:
    """Counts attempts over one database."""

    def __init__(self, db: Database, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._db = db
        self._sleep = sleep

    async def admit(self, limit: Limit, subject: str) -> Ticket:
        """Count an attempt of ``subject``.

        Raises:
            TenantryError: ``TOO_MANY_REQUESTS``, with the seconds after which to try again.
        """
        key = _key(limit, subject)
        count, ends_at = await self._db.run(throttle.count, key, ids.now_micros(), limit.seconds, write=True)
        if count > limit.attempts:
            raise _too_many(ends_at)
        return Ticket((key,))

    async def slow_down(self, attempt: Try) -> None:
        """Wait when there were too many at that account."""
        if attempt.count > ACCOUNT.attempts:
            await self._sleep(min(0.25 * 2 ** min(attempt.count - ACCOUNT.attempts, 10), _LONGEST_DELAY))

    async def give_back(self, ticket: Ticket) -> None:
        """Count what was good no more."""
        await self._db.run(give_back, ticket, write=True)


def count_password(unit: Unit, email: str, address: str, device: str) -> Try:
    """Count an attempt to sign in with a password; :meth:`Throttle.slow_down` is to follow.

    Args:
        unit: of what is known of the account.
        email: of the account, whether there is one or not.
        address: where the request comes from.
        device: what names a browser that has signed in to the account before; such a one never waits.

    Raises:
        TenantryError: ``TOO_MANY_REQUESTS``, from that network or browser.
    """
    key, now = _password_key(email, device or network_of(address)), ids.now_micros()
    count, ends_at = throttle.count(unit, key, now, PASSWORDS.seconds)
    if count > PASSWORDS.attempts:
        raise _too_many(ends_at)
    if device:
        return Try(Ticket((key,)), 0)
    account = _key(ACCOUNT, email)
    return Try(Ticket((key, account)), throttle.count(unit, account, now, ACCOUNT.seconds)[0])


def forgive_passwords(unit: Unit, email: str, address: str) -> None:
    """Let somebody sign in who has just proved by a link that the account is theirs, whatever was tried before."""
    for key in (_password_key(email, network_of(address)), _key(ACCOUNT, email)):
        throttle.drop(unit, key)


def give_back(unit: Unit, ticket: Ticket) -> None:
    """As :meth:`Throttle.give_back`, in the unit of what the good attempt has led to."""
    for key in ticket.keys:
        throttle.give_back(unit, key)


def network_of(address: str) -> str:
    """What one attacker can be taken to have: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address) and not found.ipv4_mapped:
        return str(ip_network((found, 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)


def _key(limit: Limit, subject: str) -> str:
    return hashlib.sha256(f"{limit.name} {subject}".encode(errors="replace")).hexdigest()


def _password_key(email: str, whence: str) -> str:
    return _key(PASSWORDS, f"{email} {whence}")


def _too_many(ends_at: int) -> TenantryError:
    seconds = max(1, math.ceil((ends_at - ids.now_micros()) / 1_000_000))
    minutes = math.ceil(seconds / 60)
    wait = f"{seconds} seconds" if seconds < 100 else f"{minutes} minutes"  # noqa: PLR2004 - as people say it
    return TenantryError(
        Code.TOO_MANY_REQUESTS, f"there were too many attempts: try again in {wait}", retry_after=seconds
    )

"""How often strangers may try: by account and network together, never by account alone."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.services.throttle import ACCOUNT, PASSWORDS, Limit, Throttle, Ticket, count_password, network_of
from tenantry.storage import throttle
from tenantry.storage.db import Database

EMAIL = "ada@example.com"
LIMIT = Limit("test", 5, 60)


async def refused(attempt: Awaitable[object]) -> int:
    """The seconds after which to try again; 0 when it was admitted."""
    try:
        await attempt
    except TenantryError as error:
        return error.retry_after or 0 if error.code is Code.TOO_MANY_REQUESTS else -1
    return 0


async def password(limiter: Throttle, database: Database, email: str, address: str, device: str = "") -> Ticket:
    """An attempt to sign in with a password."""
    attempt = await database.run(count_password, email, address, device, write=True)
    await limiter.slow_down(attempt)
    return attempt.ticket


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """What lets seconds pass."""
    now = ids.now_micros()

    def advance(seconds: int) -> None:
        nonlocal now
        now += seconds * 1_000_000

    monkeypatch.setattr(ids, "now_micros", lambda: now)
    return advance


async def test_a_window_lets_so_many_through_and_ends(database: Database, clock: Callable[[int], None]) -> None:
    limiter = Throttle(database)
    assert [await refused(limiter.admit(LIMIT, "a")) for _ in range(7)] == [0] * 5 + [60] * 2
    assert await refused(limiter.admit(LIMIT, "b")) == 0
    clock(20)
    assert await refused(limiter.admit(LIMIT, "a")) == 40
    clock(40)
    assert [await refused(limiter.admit(LIMIT, "a")) for _ in range(6)] == [0] * 5 + [60]


async def test_twenty_at_once_are_twenty(database: Database) -> None:
    pair = [Throttle(database), Throttle(database)]
    waits = await asyncio.gather(*(refused(pair[n % 2].admit(LIMIT, "a")) for n in range(20)))
    assert sorted(map(bool, waits)) == [False] * 5 + [True] * 15


async def test_a_good_attempt_counts_no_more(database: Database) -> None:
    limiter = Throttle(database)
    for _ in range(3 * PASSWORDS.attempts):
        await limiter.give_back(await password(limiter, database, EMAIL, "192.0.2.1"))


async def test_one_network_is_refused_and_no_other(database: Database) -> None:
    limiter = Throttle(database)
    tries = [await refused(password(limiter, database, EMAIL, "192.0.2.1")) for _ in range(PASSWORDS.attempts + 5)]
    assert list(map(bool, tries)) == [False] * PASSWORDS.attempts + [True] * 5
    assert not await refused(password(limiter, database, EMAIL, "192.0.2.2"))
    assert not await refused(password(limiter, database, "bob@example.com", "192.0.2.1"))


async def test_an_account_is_never_locked_but_becomes_slow_for_strangers(database: Database) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    limiter = Throttle(database, sleep=sleep)
    for number in range(ACCOUNT.attempts):
        assert not await refused(password(limiter, database, EMAIL, f"192.0.2.{number}"))
    assert waits == []
    for number in range(8):
        assert not await refused(password(limiter, database, EMAIL, f"198.51.100.{number}"))
    assert waits == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0]
    assert not await refused(password(limiter, database, EMAIL, "203.0.113.1", "a device"))
    assert not await refused(password(limiter, database, "bob@example.com", "203.0.113.1"))
    assert len(waits) == 8


async def test_one_network_alone_does_not_make_an_account_slow(database: Database) -> None:
    limiter = Throttle(database, sleep=_never)
    for _ in range(3 * ACCOUNT.attempts):
        await refused(password(limiter, database, EMAIL, "192.0.2.1"))
    assert not await refused(password(limiter, database, EMAIL, "192.0.2.2"))


async def test_a_known_browser_has_a_limit_of_its_own(database: Database) -> None:
    limiter = Throttle(database)
    for _ in range(2 * PASSWORDS.attempts):
        await refused(password(limiter, database, EMAIL, "192.0.2.1"))
    tries = [await refused(password(limiter, database, EMAIL, "192.0.2.1", "a device")) for _ in range(12)]
    assert list(map(bool, tries)) == [False] * PASSWORDS.attempts + [True] * 2


async def test_windows_that_have_ended_are_forgotten(database: Database, clock: Callable[[int], None]) -> None:
    limiter = Throttle(database)
    for subject in "abc":
        await limiter.admit(LIMIT, subject)
    assert await database.run(throttle.forget_expired, ids.now_micros(), 100, write=True) == 0
    clock(60)
    assert await database.run(throttle.forget_expired, ids.now_micros(), 2, write=True) == 2
    assert await database.run(throttle.forget_expired, ids.now_micros(), 2, write=True) == 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", "unknown"),
        ("a.sock", "unknown"),
    ],
)
def test_a_network_is_what_one_attacker_has(address: str, network: str) -> None:
    assert network_of(address) == network


async def _never(seconds: float) -> None:
    raise AssertionError(seconds)

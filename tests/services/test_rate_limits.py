"""Token buckets on a clock of the test's: exact, refilled in time, and never more of them than there is room for."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tenantry import metrics
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.permissions import SCOPES
from tenantry.model.rate import Rate
from tenantry.services import rate_limits
from tenantry.services.rate_limits import RateLimits
from tenantry.settings import Settings
from tests.support.limits import Still


@pytest.fixture
def clock() -> Still:
    """The time."""
    return Still()


def limits(clock: Still, **settings: Any) -> RateLimits:
    return RateLimits(Settings(**{"rate_limit": 5, "rate_limit_anonymous": 2, **settings}), monotonic=clock)


def admitted(buckets: RateLimits, actor: Actor, tries: int) -> int:
    """How many of so many requests pass."""
    return sum(passes(lambda: buckets.admit(actor)) for _ in range(tries))


def passes(admit: Callable[[], None]) -> bool:
    try:
        admit()
    except TenantryError as error:
        return (error.code, bool(error.retry_after)) != (Code.TOO_MANY_REQUESTS, True)
    return True


def refused_by() -> dict[str, float]:
    return {str(labels[0]): count for labels, count in metrics.RATE_LIMITED._counts.items()}


def test_a_credential_gets_its_burst_and_then_its_rate(clock: Still) -> None:
    buckets, robot = limits(clock), Actor(name="key:1")
    before = refused_by().get("credential", 0)
    assert admitted(buckets, robot, 60) == 50
    assert refused_by()["credential"] == before + 10
    for seconds, more in ((0.19, 0), (0.01, 1), (1.0, 5), (0.1, 0), (0.1, 1), (3600.0, 50)):
        clock.now += seconds
        assert admitted(buckets, robot, 60) == more, seconds
    assert admitted(buckets, Actor(name="key:2"), 60) == 50  # another has its own


def test_it_tells_in_whole_seconds_when_to_come_again(clock: Still) -> None:
    buckets, robot = limits(clock, rate_limit=1), Actor(name="key:1")
    assert admitted(buckets, robot, 10) == 10
    with pytest.raises(TenantryError, match="by this credential: at most 1 a second, 10 at once") as refused:
        buckets.admit(robot)
    assert refused.value.retry_after == 1
    clock.now += 1
    assert admitted(buckets, robot, 2) == 1


def test_the_credentials_of_a_tenant_share_what_its_plan_gives(clock: Still) -> None:
    buckets = limits(clock)
    first, second, other = (
        Actor(name=f"key:{name}", tenant_id=tenant, rate=Rate(2, 8)) for name, tenant in ((1, "a"), (2, "a"), (3, "b"))
    )
    assert admitted(buckets, first, 6) == 6
    assert admitted(buckets, second, 6) == 2
    assert admitted(buckets, other, 9) == 8
    clock.now += 1
    assert admitted(buckets, second, 3) == 2
    # what the tenant was refused was not taken from the credential
    clock.now += 0.5
    unlimited = Actor(name="key:2", tenant_id="a")
    assert admitted(buckets, unlimited, 60) == 50


def test_an_operator_may_ask_more_often(clock: Still) -> None:
    operator = Actor(name="serviceaccount:east:tenantry-system:operator", permissions=SCOPES["platform:reconcile"])
    assert admitted(limits(clock), operator, 1100) == 1000


def test_a_persons_clients_do_not_use_up_what_they_have_themselves(clock: Still) -> None:
    buckets = limits(clock)
    assert admitted(buckets, Actor(name="user:1", client_id="greedy"), 60) == 50
    assert admitted(buckets, Actor(name="user:1"), 60) == 50


def test_strangers_are_counted_by_address_and_by_half_of_an_ipv6_one(clock: Still) -> None:
    buckets = limits(clock)

    def passed(*addresses: str) -> int:
        count = before = 0
        for address in addresses:
            exhausted = buckets.is_exhausted(address)
            count += passes(partial(buckets.admit_stranger, address))
            assert exhausted is not (count > before)
            before = count
        return count

    assert passed(*["192.0.2.1"] * 30) == 20
    assert passed("192.0.2.2") == 1
    assert passed(*(f"2001:db8:1:2::{number:x}" for number in range(30))) == 20
    assert passed("2001:db8:1:3::1") == 1
    assert passed(*["::ffff:192.0.2.1"] * 2) == 0
    clock.now += 0.5
    assert passed("192.0.2.1", "192.0.2.1") == 1


def test_forms_have_a_limit_of_their_own_by_network(clock: Still) -> None:
    buckets = limits(clock, rate_limit_anonymous=0)

    def passed(address: str, count: int) -> int:
        return sum(passes(partial(buckets.admit_form, address)) for _ in range(count))

    assert passed("2001:db8:1:2::1", 50) + passed("2001:db8:1:2::2", 50) == 60
    with pytest.raises(TenantryError, match="too many forms from this address: at most 1 a second, 60 at once") as told:
        buckets.admit_form("2001:db8:1:2::3")
    assert told.value.retry_after == 1
    assert passed("192.0.2.1", 1) == 1
    clock.now += 2
    assert passed("2001:db8:1:2::1", 5) == 2


def test_nothing_is_limited_by_a_setting_of_0(clock: Still) -> None:
    buckets = limits(clock, rate_limit=0, rate_limit_anonymous=0)
    assert admitted(buckets, Actor(name="key:1"), 10_000) == 10_000
    for _ in range(10_000):
        buckets.admit_stranger("192.0.2.1")
    assert not buckets.is_exhausted("192.0.2.1")
    assert buckets._full_at == {}


def test_memory_is_bounded(clock: Still, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "SIZE", 100)
    buckets, robot = limits(clock), Actor(name="key:1")
    for number in range(1000):
        buckets.admit_stranger(f"10.0.{number // 256}.{number % 256}")
        assert len(buckets._full_at) <= 101
    clock.now += 60  # all are full again
    assert admitted(buckets, robot, 60) == 50
    for number in range(60):
        buckets.admit_stranger(f"10.1.0.{number}")
    assert admitted(buckets, robot, 1) == 0  # what was full went, and not what counts

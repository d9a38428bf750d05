"""How many requests each credential, each tenant and each stranger's address has made, and whether it is too many.

A token bucket each (GCRA): all that is kept of one is the time at which it will be full again, so that a full bucket
is none, and nothing has to be filled. Exact in this process; :mod:`tenantry.services.rate_exchange` tells the others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from tenantry import metrics
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.permissions import Permission
from tenantry.model.rate import Rate
from tenantry.services.throttle import network_of
from tenantry.settings import Settings

#: buckets in memory
SIZE = 100_000
#: an operator looks at each tenant of its cluster whenever something has changed
_OPERATOR = 20
#: what a stranger sends with a form may cost a password's hash, or a mail
FORMS = Rate(per_second=1, burst=60)
#: what one that is refused is told
_TOLD = {
    "credential": "requests by this credential",
    "tenant": "requests by this tenant",
    "address": "requests by this address",
    "form": "forms from this address",
}

#: seconds that a bucket may be in debt by what other replicas admitted
_LONGEST_DEBT = 5.0
#: part of a request that floating point may lose
_ROUNDING = 1e-6

_network_of = lru_cache(maxsize=4096)(network_of)


class Key(NamedTuple):
    """Whose bucket: ``by`` is credential, tenant, address, or form for what an address sends with forms."""

    by: str
    name: str
    client_id: str = ""


@dataclass(slots=True)
class _Spending:
    """What came out of a bucket of late."""

    rate: Rate
    count: int = 0


class RateLimits:
    """The buckets of one process; ``shared`` when there may be others, with which it exchanges what it admits."""

    def __init__(
        self, settings: Settings, *, shared: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._credential = Rate.of(settings.rate_limit)
        self._operator = Rate.of(settings.rate_limit * _OPERATOR)
        self._address = Rate.of(settings.rate_limit_anonymous)
        self._full_at: dict[Key, float] = {}
        self._shared = shared
        self._spent: dict[Key, _Spending] = {}  # since they were collected

    def admit(self, actor: Actor) -> None:
        """Count a request of ``actor``, who is authenticated.

        Raises:
            TenantryError: ``TOO_MANY_REQUESTS``; the request is not counted.
        """
        is_operator = Permission.PLATFORM_RECONCILE in actor.permissions
        rate = self._operator if is_operator else self._credential
        own = Key("credential", actor.name, actor.client_id)
        if actor.rate is None:
            self._take((own, rate))
        else:
            self._take((own, rate), (Key("tenant", actor.tenant_id), actor.rate))

    def admit_stranger(self, address: str) -> None:
        """Count a request without a valid credential.

        Raises:
            TenantryError: ``TOO_MANY_REQUESTS``, from that address.
        """
        self._take((Key("address", _network_of(address)), self._address))

    def admit_form(self, address: str) -> None:
        """Count a form that somebody sends who is not signed in.

        Raises:
            TenantryError: ``TOO_MANY_REQUESTS``, from that address.
        """
        self._take((Key("form", _network_of(address)), FORMS))

    def is_exhausted(self, address: str) -> bool:
        """Whether :meth:`admit_stranger` would refuse that address."""
        now, full_at = self._monotonic(), self._full_at.get(Key("address", _network_of(address)))
        return full_at is not None and _wait(full_at + 1 / self._address.per_second, self._address, now) > 0

    def collect(self, before: Container[Key], seconds: float, most: int) -> dict[Key, int]:
        """What came out of the busy buckets since this was asked last, ``seconds`` ago: at most so many of them.

        A bucket is busy that gave a tenth of its rate, and one that was busy ``before`` until it is half full again.
        """
        now, spent = self._monotonic(), self._spent
        busy = {
            key: each
            for key, each in spent.items()
            if each.count >= each.rate.per_second * seconds / 10
            or (key in before and 2 * (self._full_at.get(key, now) - now) > each.rate.burst / each.rate.per_second)
        }
        chosen = sorted(busy, key=lambda key: spent[key].count / spent[key].rate.per_second, reverse=True)[:most]
        self._spent = {key: _Spending(spent[key].rate) for key in chosen}
        return {key: spent[key].count for key in chosen}

    def charge(self, key: Key, count: int) -> None:
        """Take so many requests more out of a bucket that :meth:`collect` told of: others have admitted them.

        It is empty for five seconds at most.
        """
        if count <= 0:
            return
        now, rate = self._monotonic(), self._spent[key].rate
        full_at = max(self._full_at.get(key, now), now) + count / rate.per_second
        self._full_at[key] = min(full_at, now + rate.burst / rate.per_second + _LONGEST_DEBT)

    def _note(self, key: Key, rate: Rate) -> None:
        spending = self._spent.get(key)
        if spending is None:
            spending = self._spent[key] = _Spending(rate)
        spending.count += 1
        spending.rate = rate

    def _take(self, *claims: tuple[Key, Rate]) -> None:
        """Take one request out of each bucket, or out of none."""
        now, full_at = self._monotonic(), {}
        for key, rate in claims:
            if rate.per_second:
                full_at[key] = max(self._full_at.get(key, now), now) + 1 / rate.per_second
                if (wait := _wait(full_at[key], rate, now)) > 0:
                    metrics.RATE_LIMITED.count(key.by)
                    seconds = max(1, math.ceil(wait))
                    message = f"too many {_TOLD[key.by]}: at most {rate.per_second} a second, {rate.burst} at once"
                    raise TenantryError(Code.TOO_MANY_REQUESTS, message, retry_after=seconds)
        self._full_at.update(full_at)
        if self._shared:
            for key, rate in claims:
                if rate.per_second:
                    self._note(key, rate)
        if len(self._full_at) > SIZE:
            self._make_room(now)

    def _make_room(self, now: float) -> None:
        """Forget the buckets that are full, and else those that are known longest."""
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        for key in list(self._full_at)[: max(0, len(self._full_at) - SIZE * 9 // 10)]:
            del self._full_at[key]


def _wait(full_at: float, rate: Rate, now: float) -> float:
    """Seconds until a bucket could give what would make it full at ``full_at``, 0 or less when it can now."""
    return full_at - now - (rate.burst + _ROUNDING) / rate.per_second

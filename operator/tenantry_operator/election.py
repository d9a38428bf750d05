"""Which replica works: a Lease, taken and kept as client-go's ``tools/leaderelection`` does.

Clocks of different machines are never compared: a Lease counts as left alone once this process has seen it unchanged
for its whole duration.
"""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import UTC, datetime
from typing import Any

from tenantry_operator import metrics
from tenantry_operator.errors import ConflictError, KubeError
from tenantry_operator.kube import LEASES, Kube

NAME = "tenantry-operator"
#: seconds: how long others respect a Lease that is not renewed, how long its holder tries to, and how often
LEASE, RENEW_DEADLINE, RETRY = 15, 10.0, 2.0

logger = logging.getLogger(__name__)


class LostError(Exception):
    """Another replica may work from now on; this one must not."""


class Election:
    """One replica's part in it."""

    def __init__(self, kube: Kube, namespace: str, identity: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._identity = identity
        self._seen: dict[str, Any] = {}
        self._seen_at = 0.0
        self._held: dict[str, Any] | None = None  # the Lease as we wrote it last
        self._holder = ""  # as it was read last
        self.obstacle = ""  # what was wrong with the last attempt, for the probe
        self._gauge = metrics.LEADER.labels(NAME)
        self._gauge.set(0)

    async def win(self) -> None:
        """Wait until this replica holds the Lease."""
        logger.info("waiting for the Lease %s/%s", self._namespace, NAME)
        while not await self._try():  # noqa: ASYNC110 - the event that ends it is another replica's
            await asyncio.sleep(RETRY * random.uniform(1, 1.2))  # noqa: S311 - spreads replicas, guards nothing
        self._gauge.set(1)
        logger.info("%s holds the Lease %s/%s", self._identity, self._namespace, NAME)

    async def keep(self) -> None:
        """Renew the Lease for as long as that goes well.

        Raises:
            LostError: it could not be renewed in time, or somebody else has it.
        """
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while loop.time() - renewed < RENEW_DEADLINE:
            await asyncio.sleep(RETRY)
            try:
                async with asyncio.timeout(RENEW_DEADLINE - (loop.time() - renewed)):
                    if await self._try():
                        renewed = loop.time()
            except TimeoutError:
                break
            if self._holder not in ("", self._identity):
                self._gauge.set(0)
                raise LostError(f"the Lease {self._namespace}/{NAME} is held by {self._holder}")
        self._gauge.set(0)
        raise LostError(f"the Lease {self._namespace}/{NAME} was not renewed for {RENEW_DEADLINE:.0f} s")

    async def release(self) -> None:
        """Give the Lease back, so that another replica need not wait for its end."""
        self._gauge.set(0)
        if self._held:
            lease, self._held = self._held, None
            lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
            try:
                await self._kube.update(LEASES, lease)
            except KubeError as error:
                logger.warning("the Lease was not given back: %s", error.message)

    async def _try(self) -> bool:
        """Take or renew the Lease; whether this replica holds it now."""
        try:
            taken = await self._take()
        except ConflictError:
            self._held = None  # somebody was faster, or touched it: read it next time
            taken = False
        except KubeError as error:
            self.obstacle = f"the Lease could not be read or written: {error.message}"
            logger.warning(self.obstacle)
            return False
        self.obstacle = ""
        return taken

    async def _take(self) -> bool:
        lease = self._held or await self._kube.get(LEASES, NAME, self._namespace)
        if lease is None:
            document = {"metadata": {"name": NAME, "namespace": self._namespace}, "spec": self._spec({})}
            self._held = await self._kube.create(LEASES, document, self._namespace)
            return True
        self._holder = lease["spec"].get("holderIdentity") or ""
        if not self._may_take(lease["spec"]):
            return False
        self._held = await self._kube.update(LEASES, lease | {"spec": self._spec(lease["spec"])})
        self._holder = self._identity
        return True

    def _may_take(self, spec: dict[str, Any]) -> bool:
        if self._holder in ("", self._identity):
            return True
        now = asyncio.get_running_loop().time()
        if spec != self._seen:
            self._seen, self._seen_at = spec, now
        return now - self._seen_at > float(spec.get("leaseDurationSeconds") or LEASE)

    def _spec(self, old: dict[str, Any]) -> dict[str, Any]:
        now, is_ours = _now(), old.get("holderIdentity") == self._identity
        transitions = int(old.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": LEASE,
            "acquireTime": old.get("acquireTime", now) if is_ours else now,
            "renewTime": now,
            "leaseTransitions": transitions if is_ours or not old else transitions + 1,
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

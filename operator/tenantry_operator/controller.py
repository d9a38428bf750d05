"""From what was seen to what is looked at: the cache takes the news, the queue the keys, the reconcilers the keys."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

from tenantry import logs
from tenantry_operator import metrics
from tenantry_operator.cache import CHILDREN, TENANT_LABEL, child_key, child_of
from tenantry_operator.config.reconcile import reconcile as reconcile_config
from tenantry_operator.errors import Again, KubeError, judge
from tenantry_operator.kube import CONFIGS, PLANS, TENANTS
from tenantry_operator.objects import OWN, Key, tenant_key
from tenantry_operator.plan.reconcile import reconcile as reconcile_plan
from tenantry_operator.queue import WorkQueue
from tenantry_operator.tenant.reconcile import reconcile as reconcile_tenant
from tenantry_operator.wiring import Result, Services

Document = dict[str, Any]
RECONCILERS: dict[str, Callable[[Services, Key], Awaitable[Result]]] = {
    PLANS.kind: reconcile_plan,
    TENANTS.kind: reconcile_tenant,
    CONFIGS.kind: reconcile_config,
}
#: the key of the cache itself: everything is listed anew
EVERYTHING = Key("", "", "")
_CHILDREN = {resource.kind: resource for resource in CHILDREN}

#: seconds between two full looks at an object, and between two lists of everything
RESYNC, RELIST = (600.0, 900.0), 600.0
#: seconds after kopf has listed something anew until everything is: others of its watches may do the same
SETTLE = 5.0
#: seconds until a key that waits for somebody else is looked at again, and until one that may wait is
LATER, SOMETIME = 60.0, 1.0
#: seconds that workers get to finish at the end
PATIENCE = 10.0

logger = logging.getLogger(__name__)


class Controller:
    """The operator's heart; kopf's memo. ``stopping`` is set when its end has begun."""

    def __init__(self, services: Services, stopping: asyncio.Event) -> None:
        self.services = services
        self._stopping = stopping
        self.queue: WorkQueue[Key] = WorkQueue(self._handle)

    def __copy__(self) -> Self:
        """Kopf copies the memo for every object; there is one controller."""
        return self

    async def start(self) -> None:
        """List everything, then start working."""
        await self._relist()
        for kind in RECONCILERS:
            for key in self.services.cache.keys(kind):
                self.queue.add(key)
        self.queue.add_after(EVERYTHING, RELIST)
        self.queue.start()

    async def stop(self) -> None:
        """Finish what is being handled and take nothing more."""
        self._stopping.set()  # kopf has taken SIGTERM over, and then waits 5 s for whoever waits for this
        await self.queue.close(PATIENCE)

    def see_own(self, event: str | None, document: Document) -> None:
        """Take note of an event on one of our own objects; without a type it is from a list."""
        metadata = document["metadata"]
        key = Key(document["kind"], metadata.get("namespace", ""), metadata["name"])
        if event is None:
            self.queue.add_after(EVERYTHING, SETTLE)
        if event == "DELETED":
            self._lose(key, metadata["uid"])
        elif self.services.cache.put_own(key, document):
            if event == "ADDED" and key.kind == TENANTS.kind:
                self.services.newcomers.setdefault(metadata["uid"], time.monotonic())
            self.queue.add(key)

    def see_child(self, event: str | None, document: Document) -> None:
        """Take note of an event on something that was made for a tenant."""
        resource, cache = _CHILDREN[document["kind"]], self.services.cache
        if event is None:
            self.queue.add_after(EVERYTHING, SETTLE)
        if event == "DELETED":
            news = cache.remove_child(resource, document)
        else:
            news = cache.put_child(child_key(resource, document), child_of(resource, document))
        for tenant in news:
            self.queue.add_soon(tenant_key(tenant))

    def _lose(self, key: Key, uid: str) -> None:
        """An object is gone: look at it once more, to forget it, and at those that need it."""
        if not self.services.cache.remove_own(key, uid):
            return
        self.services.newcomers.pop(uid, None)
        self.queue.add(key)
        if key.kind == PLANS.kind:
            self._lose_plan(key.name)

    def _lose_plan(self, name: str) -> None:
        for tenant in self.services.cache.tenants_on(name):
            self.services.ledger.expire(tenant)
            self.queue.add(tenant)

    async def _handle(self, key: Key) -> None:
        controller = key.kind.lower() or "cache"
        scope = logs.RequestScope(secrets.token_hex(8))
        scope.actor = f"operator/{self.services.events.identity}"
        logs.REQUEST.set(scope)  # of this worker's task: for its log lines, and for what it asks the API
        start = time.monotonic()
        try:
            result = await self._reconcile(key)
        except Exception as error:
            metrics.RECONCILE_ERRORS.labels(controller).inc()
            metrics.RECONCILES.labels(controller, "error").inc()
            if not isinstance(error, KubeError):
                raise
            logger.warning("%s: %s", " ".join(filter(None, key)) or "listing everything", error.message)
            result = Result(judge(error).again if key.kind else Again.SOON)
        else:
            metrics.RECONCILES.labels(controller, _RESULTS[result.again]).inc()
        finally:
            metrics.RECONCILE_SECONDS.labels(controller).observe(time.monotonic() - start)
        self._follow(key, result)

    async def _reconcile(self, key: Key) -> Result:
        if key != EVERYTHING:
            return await RECONCILERS[key.kind](self.services, key)
        for changed in await self._relist():
            self.queue.add(changed)
            if changed.kind == PLANS.kind and not self.services.cache.holds(changed):
                self._lose_plan(changed.name)
        self.queue.add_after(EVERYTHING, RELIST)
        return Result()

    def _follow(self, key: Key, result: Result) -> None:
        if result.again is Again.SOON:
            self.queue.add_rate_limited(key)
        else:
            self.queue.forget(key)
        if result.again is Again.LATER:
            self.queue.add_after(key, LATER)
        if key.kind and self.services.cache.holds(key):
            self.queue.add_after(key, random.uniform(*RESYNC))  # noqa: S311 - spreads the load, guards nothing
        elif key.kind:
            self.queue.drop(key)
        for other in result.then:
            self.queue.add(other)
        for other in result.later:
            self.queue.add_after(other, SOMETIME)

    async def _relist(self) -> set[Key]:
        """Bring the cache up to what is there; the keys that have news."""
        metrics.RELISTS.inc()
        kube, cache, news = self.services.kube, self.services.cache, set()
        for resource in OWN.values():
            documents, version = await kube.list(resource)
            news |= cache.keep_own(resource.kind, documents, version)
        for resource in CHILDREN:
            documents, version = await kube.list(resource, TENANT_LABEL)
            news |= {tenant_key(tenant) for tenant in cache.keep_children(resource, documents, version)}
        return news


_RESULTS = {Again.SOON: "requeue", Again.LATER: "requeue_after", Again.NEVER: "success"}

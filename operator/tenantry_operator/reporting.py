"""A status, written where it changed: to the cluster, to the API, and as an Event when ``Ready`` turned."""

from __future__ import annotations

import logging
import time
from typing import Any

from tenantry.model.errors import Code, TenantryError
from tenantry_operator import conditions, metrics
from tenantry_operator.cache import is_overtaken
from tenantry_operator.errors import Again, judge, soonest
from tenantry_operator.objects import Object
from tenantry_operator.wiring import Services

Document = dict[str, Any]
#: refusals of a status that are no news: the API keeps no record of this object
_UNRECORDED = frozenset({Code.NOT_FOUND, Code.MANAGED_ELSEWHERE, Code.NAME_TOMBSTONED})

logger = logging.getLogger(__name__)


async def write(services: Services, obj: Object, status: Document, *, recorded: bool) -> Again:
    """Write ``status`` if it is another one than before; when to come back.

    That is so when the API did not take it, and when the object is another one by now.

    Args:
        services: the parts.
        obj: the object, with its status before.
        status: its status now.
        recorded: whether the API has a record of it.
    """
    again = Again.NEVER
    if status != obj.status:
        answer = await services.kube.apply_status(obj.resource, {"metadata": obj.identity(), "status": status})
        services.cache.put_own(obj.key, answer)
        if is_overtaken(obj, answer):  # the event of that change will be no news any more
            again = Again.SOON
        metrics.APPLIES.labels(obj.key.kind, "changed").inc()
        await _announce(services, obj, status)
    return soonest(again, await _tell(services, obj, status)) if recorded else again


async def _tell(services: Services, obj: Object, status: Document) -> Again:
    try:
        await services.ledger.report(obj, status)
    except TenantryError as error:
        if error.code in _UNRECORDED:
            return Again.NEVER
        logger.warning("the API did not take the status of %s %s: %s", obj.key.kind, obj.key.name, error.message)
        return judge(error).again
    return Again.NEVER


async def _announce(services: Services, obj: Object, status: Document) -> None:
    before, after = conditions.find(obj.status, "Ready"), conditions.find(status, "Ready")
    if after is None or (before and (before["status"], before["reason"]) == (after["status"], after["reason"])):
        return
    if after["status"] == "True" and (since := services.newcomers.pop(obj.uid, None)):
        metrics.ONBOARDING.observe(time.monotonic() - since)
    warning, note = after["status"] != "True", after["message"] or after["reason"]
    logger.log(logging.WARNING if warning else logging.INFO, "%s %s: %s", obj.key.kind, obj.key.name, note)
    await services.events.post(obj, reason=after["reason"], note=note, warning=warning)

"""Our finalizer: it is there before anything is made for an object, and goes when all of that is undone."""

from __future__ import annotations

import logging

from tenantry.model.errors import TenantryError
from tenantry.model.resource import GROUP
from tenantry_operator.cache import is_overtaken
from tenantry_operator.errors import ConflictError
from tenantry_operator.kube import CRDS, Resource
from tenantry_operator.objects import Object
from tenantry_operator.wiring import Services

FINALIZER = "tenantry.dev/finalizer"

logger = logging.getLogger(__name__)


async def keep(services: Services, obj: Object) -> None:
    """See that the object has it.

    Raises:
        ConflictError: the object is another one by now.
    """
    if FINALIZER not in obj.finalizers:
        answer = await services.kube.apply(obj.resource, {"metadata": obj.identity() | {"finalizers": [FINALIZER]}})
        services.cache.put_own(obj.key, answer)
        if is_overtaken(obj, answer):
            raise ConflictError("it was changed meanwhile")


async def is_kind_going(services: Services, resource: Resource) -> bool:
    """Whether the CustomResourceDefinition is being deleted, and every object with it.

    It is read live, not from a cache: then nothing is undone, and the record waits for the object to come back.
    """
    definition = await services.kube.get(CRDS, f"{resource.plural}.{GROUP}")
    return definition is None or "deletionTimestamp" in definition["metadata"]


async def orphan(services: Services, obj: Object) -> None:
    """Tell the API that the object goes with its kind. An uninstallation does not wait for an API that is away."""
    try:
        await services.ledger.orphan(obj)
    except TenantryError as error:
        logger.warning("the record of %s %s is not marked as orphaned: %s", obj.key.kind, obj.key.name, error.message)


async def drop(services: Services, obj: Object) -> None:
    """Let the object go. Foreign finalizers stay."""
    live = await services.kube.get(obj.resource, obj.key.name, obj.key.namespace)
    if live is None or live["metadata"]["uid"] != obj.uid:
        return
    finalizers = live["metadata"].get("finalizers", [])
    if FINALIZER in finalizers:
        others = [finalizer for finalizer in finalizers if finalizer != FINALIZER]
        await services.kube.set_finalizers(obj.resource, live, others)

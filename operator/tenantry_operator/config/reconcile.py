"""One Config: published to the API if it may live where it does, with what came of it in its status."""

from __future__ import annotations

from tenantry.client.records import Record
from tenantry.model import placement
from tenantry.model.config import ConfigSpec
from tenantry.model.errors import TenantryError
from tenantry.model.placement import Home
from tenantry.model.status import Check
from tenantry_operator import conditions, finalizer, reporting
from tenantry_operator.config import status
from tenantry_operator.errors import Again, judge, soonest
from tenantry_operator.kube import CONFIGS, NAMESPACES
from tenantry_operator.objects import Key, Object
from tenantry_operator.specs import SpecError, read_spec
from tenantry_operator.wiring import Result, Services


async def reconcile(services: Services, key: Key) -> Result:
    """Make the API serve what the Config says."""
    config = services.cache.read(key)
    if config is None:
        services.ledger.forget(key)
        return Result()
    if config.is_deleting:
        return Result(await _tear_down(services, config))
    try:
        spec = read_spec(ConfigSpec, config.document)
    except SpecError as error:
        invalid = Check("Validated", ok=False, reason="InvalidSpec", message=str(error))
        return Result(await _report(services, config, None, [invalid]))
    home = Home(namespace=key.namespace, tenant=config.tenant, platform=services.namespace)
    if problem := placement.problem(spec, home):
        message = f"{problem.path}: {problem.message}"
        refused = Check("Validated", ok=False, reason="ScopeNotAllowed", message=message)
        return Result(
            await _report(services, config, spec, [refused], Again.LATER)
        )  # a namespace can become a tenant's
    await finalizer.keep(services, config)
    return Result(await _publish(services, config, spec))


async def _publish(services: Services, config: Object, spec: ConfigSpec) -> Again:
    try:
        record = await services.ledger.sync(config)
    except TenantryError as error:
        verdict = judge(error)
        if verdict.again is Again.SOON and config.is_observed:
            return verdict.again  # an outage says nothing about what is served
        failed = Check("Published", ok=False, reason=verdict.reason, message=error.message)
        return await _report(services, config, spec, [failed], verdict.again)
    parts = conditions.from_api(record.conditions)
    again = Again.NEVER if all(part.ok for part in parts) else Again.LATER
    return await _report(services, config, spec, parts, again, record)


async def _report(  # noqa: PLR0913, PLR0917 - all that a status is made of
    services: Services,
    config: Object,
    spec: ConfigSpec | None,
    parts: list[Check],
    again: Again = Again.NEVER,
    record: Record | None = None,
) -> Again:
    new = status.compute(config, spec, parts, again, record)
    return soonest(again, await reporting.write(services, config, new, recorded=record is not None))


async def _tear_down(services: Services, config: Object) -> Again:
    """Withdraw the layer, unless it only goes because its namespace or its kind does: then it keeps being served."""
    if finalizer.FINALIZER not in config.finalizers:
        return Again.NEVER
    is_leaving = await finalizer.is_kind_going(services, CONFIGS) or await _is_home_going(services, config)
    try:
        await (services.ledger.orphan if is_leaving else services.ledger.withdraw)(config)
    except TenantryError as error:
        return await _block(services, config, error)
    await finalizer.drop(services, config)
    return Again.NEVER


async def _block(services: Services, config: Object, error: TenantryError) -> Again:
    """Show why the Config is still there; it is served as before."""
    verdict = judge(error)
    known = conditions.from_status(config.status, ["Ready", "Validated", "Published"])
    blocked = Check("DeletionBlocked", ok=True, reason=verdict.reason, message=error.message)
    new = config.status | {"conditions": conditions.compose([*known, blocked], verdict.again, config)}
    await reporting.write(services, config, new, recorded=False)
    return verdict.again


async def _is_home_going(services: Services, config: Object) -> bool:
    namespace = await services.kube.get(NAMESPACES, config.key.namespace)
    return namespace is None or "deletionTimestamp" in namespace["metadata"]

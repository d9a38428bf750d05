"""The chains of audit rows: what waits for its seal, what a chain holds, and what retention takes off its beginning.

A row waits for as long as its place is 0: one that commits late is found like every other. A chain grows only from
where its row in ``audit_chain`` says that it ends, so that two who extend it at once cannot both succeed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import peewee

from tenantry.model.audit import AuditEvent
from tenantry.model.audit_chain import Chain, Link
from tenantry.model.errors import Code, TenantryError
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_event, _chain = tables.AuditEvent, tables.AuditChain
_events = Rows(AuditEvent, _event)  # the result stays text: a row that somebody has changed must be read too
_chains = Rows(Chain, _chain)

_COUNT_WAITING = Statement(
    _event.select(_event.tenant_id, peewee.fn.COUNT(_event.id)).where(_event.position == 0).group_by(_event.tenant_id)
)
_SOME = Statement(_chains.select.order_by(_chain.tenant_id).limit(arg("limit")))
_GET = Statement(_chains.select.where(_chain.tenant_id == arg("tenant_id")))
_OWNERS = Statement(_chain.select(_chain.tenant_id).union(_event.select(_event.tenant_id).distinct()))
_SEALED = Statement(
    _event.select(_event.id).where((_event.tenant_id == arg("tenant_id")) & (_event.position != 0)).limit(1)
)
_LINKS = Statement(
    _event.select(_event.position, _event.seal, *_events.columns)
    .where(
        (_event.tenant_id == arg("tenant_id"))
        & (_event.position != 0)
        & (
            (_event.position > arg("position"))
            | ((_event.position == arg("position")) & (_event.id > arg("identifier")))
        )
    )
    .order_by(_event.position, _event.id)
    .limit(arg("limit"))
)
_SEAL = Statement(
    _event.update({_event.position: arg("position"), _event.seal: arg("seal")}).where(
        (_event.id == arg("identifier")) & (_event.position == 0)
    )
)
_MOVE_END = Statement(
    _chain.update(
        {_chain.position: arg("position"), _chain.seal: arg("seal"), _chain.signature: arg("signature")}
    ).where((_chain.tenant_id == arg("tenant_id")) & (_chain.signature == arg("before")))
)
_MOVE_BEGINNING = Statement(
    _chain.update(
        {_chain.removed: arg("removed"), _chain.removed_seal: arg("removed_seal"), _chain.signature: arg("signature")}
    ).where((_chain.tenant_id == arg("tenant_id")) & (_chain.signature == arg("before")))
)
_REMOVE = Statement(
    _event.delete().where(
        (_event.tenant_id == arg("tenant_id")) & (_event.position > arg("after")) & (_event.position <= arg("until"))
    )
)

#: before the first place of a chain, also of one that somebody has made up
BEGINNING = -(2**63)


def waiting(unit: Unit, limit: int, without: Collection[str] = ()) -> list[AuditEvent]:
    """The oldest rows that have no seal, but for those of the tenants ``without`` one."""
    query = _events.select.where(_event.position == 0).order_by(_event.id).limit(limit)
    return _events.all(unit.execute(_leave_out(query, without)))


def count_waiting(unit: Unit) -> dict[str, int]:
    """How many rows of each tenant have no seal."""
    return dict(unit.execute(_COUNT_WAITING).fetchall())


def ends(unit: Unit, tenant_ids: Collection[str]) -> dict[str, Chain | None]:
    """Where the chains of these tenants end; None for one whose row is gone, though it has sealed ones."""
    query = _chains.select.where(_chain.tenant_id.in_(list(tenant_ids)))
    known = {chain.tenant_id: chain for chain in _chains.all(unit.execute(query))}
    found: dict[str, Chain | None] = {}
    for tenant_id in tenant_ids:
        chain = known.get(tenant_id)
        if chain is None and unit.execute(_SEALED, tenant_id=tenant_id).fetchone() is None:
            chain = Chain(tenant_id=tenant_id)
        elif chain is not None and not chain.position:  # somebody has made it so
            chain = None
        found[tenant_id] = chain
    return found


def some(unit: Unit, limit: int) -> list[Chain]:
    """At most ``limit`` chains, that of the platform first."""
    return _chains.all(unit.execute(_SOME, limit=limit))


def owners(unit: Unit) -> list[str]:
    """The tenants that have rows or a chain, in the order of their identities; the platform is the empty one."""
    return sorted(tenant_id for (tenant_id,) in unit.execute(_OWNERS).fetchall())


def extend(unit: Unit, grown: Sequence[tuple[Chain, Chain, Sequence[Link]]]) -> None:
    """Seal rows.

    Args:
        unit: that writes.
        grown: for each chain how it was and how it is now, and the links in between.

    Raises:
        TenantryError: ``CONFLICT``, somebody else has extended a chain meanwhile.
    """
    for before, after, links in grown:
        if before.position:
            unit.later(
                _MOVE_END,
                _conflict(after),
                tenant_id=after.tenant_id,
                position=after.position,
                seal=after.seal,
                signature=after.signature,
                before=before.signature,
            )
        else:
            unit.later(_chains.insert, _conflict(after), **_chains.values(after))
        for link in links:
            unit.later(_SEAL, _conflict(after), position=link.position, seal=link.seal, identifier=link.event.id)


def page(
    unit: Unit, tenant_id: str, *, position: int = BEGINNING, identifier: str = "", limit: int
) -> tuple[Chain | None, list[Link]]:
    """A tenant's chain, and those of its links that come after ``identifier`` at ``position``, in their order."""
    chain = _chains.one(unit.execute(_GET, tenant_id=tenant_id))
    cursor = unit.execute(_LINKS, tenant_id=tenant_id, position=position, identifier=identifier, limit=limit)
    return chain, [
        Link(event=_events.item(columns), position=place, seal=seal) for place, seal, *columns in cursor.fetchall()
    ]


def with_rows_before(unit: Unit, identifier: str, limit: int, without: Collection[str] = ()) -> list[str]:
    """Tenants with sealed rows that have an id below ``identifier``, but for ``without``: those of the oldest rows."""
    query = _event.select(_event.tenant_id).where((_event.id < identifier) & (_event.position != 0))
    cursor = unit.execute(_leave_out(query.order_by(_event.id).limit(limit), without))
    return list(dict.fromkeys(tenant_id for (tenant_id,) in cursor.fetchall()))


def remove_waiting(unit: Unit, identifier: str, limit: int) -> int:
    """Remove rows without a seal that have an id below ``identifier``, and return how many; until that is 0."""
    query = _event.select(_event.id).where((_event.position == 0) & (_event.id < identifier)).limit(limit)
    found = [each for (each,) in unit.execute(query).fetchall()]
    if found:
        unit.execute(_event.delete().where(_event.id.in_(found)))
    return len(found)


def remove(unit: Unit, before: Chain, after: Chain) -> None:
    """Take rows off the beginning of a chain, up to where ``after`` says.

    Raises:
        TenantryError: ``CONFLICT``, the chain has changed meanwhile.
    """
    unit.later(
        _MOVE_BEGINNING,
        _conflict(after),
        tenant_id=after.tenant_id,
        removed=after.removed,
        removed_seal=after.removed_seal,
        signature=after.signature,
        before=before.signature,
    )
    unit.later(_REMOVE, tenant_id=after.tenant_id, after=before.removed, until=after.removed)


def _leave_out(query: peewee.ModelSelect[Any], tenant_ids: Collection[str]) -> peewee.ModelSelect[Any]:
    return query.where(_event.tenant_id.not_in(list(tenant_ids))) if tenant_ids else query


def _conflict(chain: Chain) -> Callable[[], TenantryError]:
    message = f"the audit chain of {chain.tenant_id or 'the platform'} was changed by another process"
    return lambda: TenantryError(Code.CONFLICT, message, raced=True)

"""Whether the audit log is as it was sealed: each chain walked from its beginning to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from tenantry.model.audit_chain import Chain, Link, Seals
from tenantry.storage import audit_chains
from tenantry.storage.db import Database

_PAGE = 1000

#: where a chain was at some time, by its tenant: position and seal, as :attr:`Chain.head`
Heads = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What there is to say of one chain.

    Args:
        tenant_id: whose; empty for the platform.
        rows: rows that are as they were sealed, up to the first that is not.
        removed: rows that retention took off before them.
        unsealed: rows that wait for their seals.
        head: where it ends.
        fault: what is wrong first; empty when nothing is.
    """

    tenant_id: str
    rows: int
    removed: int
    unsealed: int
    head: str
    fault: str


async def check(
    db: Database, seals: Seals, *, tenant_id: str | None = None, heads: Heads | None = None
) -> AsyncIterator[Finding]:
    """Look at every chain, or at one.

    Args:
        db: where the rows are.
        seals: with the key that they were sealed with.
        tenant_id: whose chain; all when None.
        heads: where chains were once, as somebody has noted outside the database.
    """
    unsealed = await db.run(audit_chains.count_waiting)
    heads = heads or {}
    owners = sorted({*await db.run(audit_chains.owners), *heads}) if tenant_id is None else [tenant_id]
    for owner in owners:
        yield await _Walk(db, seals, owner, heads.get(owner, "")).find(unsealed.get(owner, 0))


class _Fault(Exception):  # noqa: N818 - of the log, not of the program
    """What is wrong."""


class _Walk:
    """The way along one chain. While it lasts, the sealer may extend the chain, and shorten it at its beginning."""

    def __init__(self, db: Database, seals: Seals, tenant_id: str, head: str) -> None:
        self._db, self._seals, self._tenant_id = db, seals, tenant_id
        place, _, seal = head.partition(":")
        self._noted = (int(place), seal) if head else None
        self._position, self._seal, self._id = 0, "", ""
        self._rows = 0

    async def find(self, unsealed: int) -> Finding:
        """Walk as far as all is well."""
        chain, fault = Chain(tenant_id=self._tenant_id), ""
        after = (audit_chains.BEGINNING, "")
        while True:
            read = partial(audit_chains.page, position=after[0], identifier=after[1], limit=_PAGE)
            found, links = await self._db.run(read, self._tenant_id, snapshot=True)
            chain = found or chain
            try:
                self._begin(found, links)
                for link in links:
                    self._step(link)
                if not links:
                    self._end(chain)
            except _Fault as error:
                fault = str(error)
            if fault or not links:
                break
            after = (links[-1].position, links[-1].event.id)
        return Finding(
            tenant_id=self._tenant_id,
            rows=self._rows,
            removed=chain.removed,
            unsealed=unsealed,
            head=chain.head if chain.position else "",
            fault=fault,
        )

    def _begin(self, chain: Chain | None, links: list[Link]) -> None:
        if chain is None:
            if links or self._position:
                raise _Fault("nothing tells where it begins and ends, though rows are sealed: that was deleted")
            return
        if not self._seals.is_signed(chain):
            raise _Fault("what tells where it begins and ends was changed, or signed with a key that is not there")
        if chain.removed > self._position:
            self._position, self._seal = chain.removed, chain.removed_seal

    def _step(self, link: Link) -> None:
        row = f"row {link.event.id} at position {link.position}"
        if link.position <= self._position:
            raise _Fault(f"{row} was inserted")
        if link.position != self._position + 1:
            after = f"after row {self._id}" if self._id else "at its beginning"
            raise _Fault(f"the row at position {self._position + 1}, {after}, was deleted")
        if not self._seals.is_sealed(link, self._seal):
            raise _Fault(f"{row} was changed, inserted or moved")
        self._position, self._seal, self._id = link.position, link.seal, link.event.id
        self._rows += 1
        if self._noted and self._noted[0] == link.position and self._noted[1] != link.seal:
            raise _Fault(f"{row} is another than the one whose seal was noted")

    def _end(self, chain: Chain) -> None:
        if self._position < chain.position:
            raise _Fault(f"the rows from position {self._position + 1} to {chain.position} at its end were deleted")
        if self._position > chain.position:
            raise _Fault(f"it ends at position {chain.position}, and row {self._id} was inserted after it")
        if self._noted and self._noted[0] > self._position:
            raise _Fault(f"it ends at position {self._position}, and position {self._noted[0]} was noted once")

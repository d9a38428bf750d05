"""The clock and the change log: what makes seq order the commit order.

The seqs are taken from the locked clock row as the last act of a unit, and the row stays locked until COMMIT: whoever
reads the log up to a seq has read everything up to it (data.md, Change order).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import orjson
import peewee

from tenantry.model.audit import AuditEvent
from tenantry.model.notice import Notice
from tenantry.model.resource import Change, Resource, Verb
from tenantry.storage import audit, tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg, insert_rows
from tenantry.storage.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingChange:
    """One change that waits for its seq.

    Args:
        resource: as it is now; for DELETED, as it was last.
        verb: what a watcher is told.
        prev_labels: before the change; empty for ADDED.
        audit: the row that tells who did it, if it is told here; it gets the seq.
    """

    resource: Resource
    verb: Verb
    prev_labels: dict[str, str]
    at: int  # epoch microseconds
    audit: AuditEvent | None = None


_clock, _log = tables.Clock, tables.ChangeLog
_rows = Rows(Change, _log, read={"verb": Verb})
_TAKE_SQLITE = Statement(
    _clock.update({_clock.seq: _clock.seq + arg("count")}).where(_clock.name == "seq").returning(_clock.seq)
)
_TAKE_MYSQL = Statement(
    _clock.update({_clock.seq: peewee.fn.LAST_INSERT_ID(_clock.seq + arg("count"))}).where(_clock.name == "seq")
)
_STAMP = Statement(tables.Resource.update({tables.Resource.seq: arg("seq")}).where(tables.Resource.uid == arg("uid")))
_READ_CLOCK = Statement(_clock.select(_clock.seq).where(_clock.name == arg("name")))
_SET_COMPACTED = Statement(_clock.update({_clock.seq: arg("seq")}).where(_clock.name == "compacted_to"))
_READ = Statement(_rows.select.where(_log.seq > arg("after")).order_by(_log.seq).limit(arg("limit")))
_SIZES = Statement(
    _log.select(_log.size).where(_log.seq > arg("after")).order_by(_log.seq).limit(arg("limit"))
)  # fmt: skip
_OLDEST = Statement(_log.select(_log.seq, _log.at, _log.size).order_by(_log.seq).limit(arg("limit")))
_TOTAL = Statement(_log.select(peewee.fn.COALESCE(peewee.fn.SUM(_log.size), 0)))
_REMOVE = Statement(_log.delete().where(_log.seq <= arg("seq")))


def announce(unit: Unit, *notices: Notice, at: int) -> None:
    """Tell all replicas of ``notices``, within a second: the last act of a ``unit`` that changed no resource."""
    commit(unit, (), notices, at=at)


def commit(
    unit: Unit, changes: Sequence[PendingChange], notices: Sequence[Notice] = (), *, at: int = 0
) -> list[Resource]:
    """Give ``changes`` and ``notices`` their seqs, in their order, and write the log: the last act of ``unit``.

    Everything that the unit inserted, updated or deleted of resources must be among them, each once. Returns the
    resources with their seq; nothing can be executed afterwards. ``at`` is the time of the notices.
    """
    if not changes and not notices:
        return []
    last = _take(unit, len(changes) + len(notices))
    first = last - len(changes) - len(notices) + 1
    stamped = []
    rows = []
    for seq, change in enumerate(changes, first):
        resource = dataclasses.replace(change.resource, seq=seq)
        if change.verb is not Verb.DELETED:
            unit.later(_STAMP, seq=seq, uid=resource.uid)
        stamped.append(resource)
        rows.append(_row(resource, change))
    rows += [_notice(seq, notice, at) for seq, notice in enumerate(notices, first + len(changes))]
    for statement, values in insert_rows(_log, rows):
        unit.later(statement, **values)
    events = [dataclasses.replace(change.audit, seq=seq) for seq, change in enumerate(changes, first) if change.audit]
    audit.append(unit, *events)
    news = [Notice(kind=each.kind, name=each.name, tenant_id=each.tenant_id) for each in stamped]
    unit.seal({resource.uid for resource in stamped}, last, [*news, *notices])
    return stamped


def read(unit: Unit, after_seq: int, limit: int) -> list[Change]:
    """The changes above ``after_seq`` in seq order.

    Seqs have no gaps: when the first is not ``after_seq + 1``, the log was compacted past it.
    """
    return _rows.all(unit.execute(_READ, after=after_seq, limit=limit))


def read_part(unit: Unit, after_seq: int, limit: int, size: int) -> list[Change]:
    """The first of what :func:`read` gives: no more once they have ``size`` bytes."""
    sizes = [each for (each,) in unit.execute(_SIZES, after=after_seq, limit=limit).fetchall()]
    return read(unit, after_seq, sum(before < size for before in accumulate(sizes[:-1], initial=0)))


def poll(unit: Unit, after_seq: int, limit: int, committed: int = 0) -> tuple[int, list[Change]]:
    """A seq up to which everything is committed, and what :func:`read` gives; the log may have been compacted past it.

    ``committed`` is a seq that is known to be: when it is new the log is read at once, and the clock alone otherwise,
    for mostly nothing is. The seq is below ``after_seq`` when an older state of the database was restored.
    """
    if committed > after_seq and (batch := read(unit, after_seq, limit)):
        return batch[-1].seq, batch
    seq = current_seq(unit)
    batch = read(unit, after_seq, limit) if seq > after_seq else []
    return batch[-1].seq if batch else seq, batch


def current_seq(unit: Unit) -> int:
    """The last seq committed; 0 in an empty database."""
    return int(unit.execute(_READ_CLOCK, name="seq").fetchone()[0])


def compacted_to(unit: Unit) -> int:
    """The highest seq that the log no longer holds; only a watch below it is too old."""
    return int(unit.execute(_READ_CLOCK, name="compacted_to").fetchone()[0])


def compact(unit: Unit, older_than_us: int, max_bytes: int, limit: int = 1000) -> int:
    """Remove the oldest changes: those from before ``older_than_us``, and what is beyond ``max_bytes`` in all.

    Removes at most ``limit`` rows, so that a unit stays short, and returns how many; call it until that is 0.
    """
    total = int(unit.execute(_TOTAL).fetchone()[0])
    removed, last = 0, 0
    for seq, at, size in unit.execute(_OLDEST, limit=limit).fetchall():
        if at >= older_than_us and total <= max_bytes:
            break
        total -= size
        removed, last = removed + 1, seq
    if removed:
        unit.execute(_REMOVE, seq=last)
        unit.execute(_SET_COMPACTED, seq=last)
    return removed


def _take(unit: Unit, count: int) -> int:
    if unit.dialect == "sqlite":
        return int(unit.execute(_TAKE_SQLITE, count=count).fetchone()[0])
    return unit.execute(_TAKE_MYSQL, count=count).lastrowid


def _notice(seq: int, notice: Notice, at: int) -> dict[str, object]:
    return _rows.values(
        Change(
            seq=seq,
            kind=notice.kind,
            namespace="",
            name=notice.name,
            uid="",
            tenant_id=notice.tenant_id,
            verb=Verb.MODIFIED,
            object="{}",
            prev_labels="{}",
            at=at,
            size=4,
        )
    )


def _row(resource: Resource, change: PendingChange) -> dict[str, object]:
    document = resource.to_json()
    prev_labels = orjson.dumps(change.prev_labels, option=orjson.OPT_SORT_KEYS).decode()
    return _rows.values(
        Change(
            seq=resource.seq,
            kind=resource.kind,
            namespace=resource.namespace,
            name=resource.name,
            uid=resource.uid,
            tenant_id=resource.tenant_id,
            verb=change.verb,
            object=document,
            prev_labels=prev_labels,
            at=change.at,
            size=len(document.encode()) + len(prev_labels),
        )
    )

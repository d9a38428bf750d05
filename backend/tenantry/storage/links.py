"""One-time links: their rows, one for each purpose and user, without any secret."""

from __future__ import annotations

import peewee

from tenantry.model.links import Link, Purpose
from tenantry.storage import tables
from tenantry.storage.expiry import Expiry
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.OneTimeLink
_rows = Rows(Link, _table, read={"purpose": Purpose})
_this = (_table.purpose == arg("purpose")) & (_table.user_id == arg("user_id"))

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_REPLACE = Statement(
    _table.update(
        {getattr(_table, name): arg(name) for name in _rows.names if name not in {"purpose", "user_id"}}
    ).where(_this)
)
_REDEEM = Statement(
    _table.update({_table.used_at: arg("at")}).where(
        (_table.id == arg("id"))
        & (_table.secret_sha == arg("secret_sha"))
        & (_table.purpose == arg("purpose"))
        & (_table.used_at == 0)
        & (_table.expires_at > arg("at"))
    )
)
_DROP = Statement(_table.delete().where(_table.user_id == arg("user_id")))
_expiry = Expiry(_table.id, _table.expires_at)


def put(unit: Unit, link: Link) -> None:
    """Keep ``link``, in the place of the one that the user had for the purpose."""
    values = _rows.values(link)
    if unit.execute(_REPLACE, **values).rowcount == 0:
        try:
            unit.execute(_rows.insert, **values)
        except peewee.IntegrityError:  # a rival was faster; the last one counts
            unit.execute(_REPLACE, **values)


def get(unit: Unit, link_id: str) -> Link | None:
    """The link of that id, also when it was used or has expired."""
    return _rows.one(unit.execute(_GET, id=link_id))


def redeem(unit: Unit, link: Link, at: int) -> bool:
    """Use ``link`` up; False when it was used, replaced or has expired meanwhile."""
    place = {"id": link.id, "secret_sha": link.secret_sha, "purpose": str(link.purpose)}
    return unit.execute(_REDEEM, **place, at=at).rowcount == 1


def drop(unit: Unit, user_id: str) -> None:
    """Take all links of the user back."""
    unit.execute(_DROP, user_id=user_id)


def forget_expired(unit: Unit, at: int, limit: int) -> int:
    """Remove at most ``limit`` links that have expired by ``at``, and return how many."""
    return _expiry.forget(unit, at, limit)

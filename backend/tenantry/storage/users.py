"""Users: their rows."""

from __future__ import annotations

from collections.abc import Collection

import peewee

from tenantry.model.identity import User, UserStatus
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.User
_rows = Rows(
    User, _table, read={"status": UserStatus, "platform_admin": bool, "email_verified": bool, "must_review": bool}
)

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_BY_EMAIL = Statement(_rows.select.where(_table.email == arg("email")).order_by(_table.email_verified.desc()))
_PAGE = Statement(_rows.select.where(_table.id > arg("after")).order_by(_table.id).limit(arg("limit")))
_is_admin = (_table.platform_admin == 1) & (_table.status == str(UserStatus.ACTIVE))
_LOCK_ADMINS = Statement(_table.update({_table.updated_at: _table.updated_at + 1}).where(_is_admin))
_ADMINS = Statement(_table.select(peewee.fn.COUNT(_table.id)).where(_is_admin))
_ANY = Statement(_table.select(_table.id).limit(1))
_UPDATE = Statement(
    _table.update({getattr(_table, name): arg(name) for name in _rows.names if name != "id"}).where(
        (_table.id == arg("id")) & (_table.updated_at == arg("before"))
    )
)
_VERIFY = Statement(
    _table.update({_table.email_verified: 1, _table.updated_at: arg("at")}).where(
        (_table.id == arg("id")) & (_table.email == arg("email"))
    )
)
_SIGNED_IN = Statement(_table.update({_table.last_sign_in_at: arg("at")}).where(_table.id == arg("id")))


def insert(unit: Unit, user: User) -> bool:
    """Add ``user``; False when another has the address, and has proved it as ``user`` has, or has not either."""
    try:
        unit.execute(_rows.insert, **_rows.values(user))
    except peewee.IntegrityError:
        return False
    return True


def get(unit: Unit, user_id: str) -> User | None:
    """The user of that id."""
    return _rows.one(unit.execute(_GET, id=user_id))


def with_address(unit: Unit, email: str) -> list[User]:
    """The users with that address, which is in lower case: who has proved it, and then one who has not."""
    return _rows.all(unit.execute(_BY_EMAIL, email=email))


def find(unit: Unit, email: str) -> User | None:
    """The user who has proved that they have that address, which is in lower case."""
    return next((user for user in with_address(unit, email) if user.email_verified), None)


def page(unit: Unit, *, after: str = "", limit: int) -> list[User]:
    """At most ``limit`` users with ids beyond ``after``, in their order."""
    return _rows.all(unit.execute(_PAGE, after=after, limit=limit))


def find_all(unit: Unit, user_ids: Collection[str]) -> dict[str, User]:
    """Those of the users that there are, by id."""
    if not user_ids:
        return {}
    return {user.id: user for user in _rows.all(unit.execute(_rows.select.where(_table.id.in_(list(user_ids)))))}


def lock_admins(unit: Unit) -> int:
    """How many active platform administrators there are: none of them changes before this unit has ended."""
    unit.execute(_LOCK_ADMINS)
    return int(unit.execute(_ADMINS).fetchone()[0])


def is_empty(unit: Unit) -> bool:
    """Whether there is no user yet."""
    return unit.execute(_ANY).fetchone() is None


def update(unit: Unit, user: User, before: User) -> bool:
    """Write ``user`` over ``before``, with a later ``updated_at``; False when another was faster."""
    return unit.execute(_UPDATE, before=before.updated_at, **_rows.values(user)).rowcount == 1


def verify_email(unit: Unit, user: User, at: int) -> bool:
    """Note that ``user`` has proved their address; False when another has."""
    try:
        unit.execute(_VERIFY, id=user.id, email=user.email, at=at)
    except peewee.IntegrityError:
        return False
    return True


def note_sign_in(unit: Unit, user_id: str, at: int) -> None:
    """Note when the user signed in last."""
    unit.later(_SIGNED_IN, id=user_id, at=at)

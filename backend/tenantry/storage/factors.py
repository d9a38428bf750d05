"""Second factors: their rows. Secrets are encrypted, and of recovery codes only a hash is kept."""

from __future__ import annotations

from collections.abc import Iterable

import peewee

from tenantry.model.factors import Factor
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg, insert_rows
from tenantry.storage.unit import Unit

_table, _codes = tables.MfaFactor, tables.RecoveryCode
_rows = Rows(Factor, _table)
_this = _table.user_id == arg("user_id")
_their = _codes.user_id == arg("user_id")

_GET = Statement(_rows.select.where(_this))
_CONFIRM = Statement(
    _table.update({_table.confirmed_at: arg("at"), _table.last_step: arg("step")}).where(
        _this & (_table.confirmed_at == 0) & (_table.secret == arg("secret"))
    )
)
_USE_STEP = Statement(_table.update({_table.last_step: arg("step")}).where(_this & (_table.last_step < arg("step"))))
_DELETE = Statement(_table.delete().where(_this))
_USE_CODE = Statement(
    _codes.update({_codes.used_at: arg("at")}).where(
        _their & (_codes.code_sha == arg("code_sha")) & (_codes.used_at == 0)
    )
)
_UNUSED = Statement(_codes.select(peewee.fn.COUNT(peewee.SQL("*"))).where(_their & (_codes.used_at == 0)))
_DELETE_CODES = Statement(_codes.delete().where(_their))


def get(unit: Unit, user_id: str) -> Factor | None:
    """The user's factor, also one that is not confirmed yet."""
    return _rows.one(unit.execute(_GET, user_id=user_id))


def put(unit: Unit, factor: Factor) -> None:
    """Keep ``factor`` in the place of what the user had."""
    remove(unit, factor.user_id)
    unit.execute(_rows.insert, **_rows.values(factor))


def confirm(unit: Unit, factor: Factor, step: int, code_shas: Iterable[str], at: int) -> bool:
    """Let ``factor`` count, with new recovery codes; False when it counts already or is another now."""
    place = {"user_id": factor.user_id, "secret": factor.secret}
    if unit.execute(_CONFIRM, **place, step=step, at=at).rowcount == 0:
        return False
    rows = [{"user_id": factor.user_id, "code_sha": code_sha, "used_at": 0} for code_sha in code_shas]
    for statement, values in insert_rows(_codes, rows):
        unit.execute(statement, **values)
    return True


def use_step(unit: Unit, user_id: str, step: int) -> bool:
    """Use the code of a time step; False when that one or a later one was used already."""
    return unit.execute(_USE_STEP, user_id=user_id, step=step).rowcount == 1


def use_code(unit: Unit, user_id: str, code_sha: str, at: int) -> bool:
    """Use a recovery code; False when there is none such, or it was used."""
    return unit.execute(_USE_CODE, user_id=user_id, code_sha=code_sha, at=at).rowcount == 1


def unused_codes(unit: Unit, user_id: str) -> int:
    """How many recovery codes are left."""
    return int(unit.execute(_UNUSED, user_id=user_id).fetchone()[0])


def remove(unit: Unit, user_id: str) -> bool:
    """Take the factor and its codes away; False when there is none."""
    unit.execute(_DELETE_CODES, user_id=user_id)
    return unit.execute(_DELETE, user_id=user_id).rowcount == 1

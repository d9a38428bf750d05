"""What people have granted to clients, and its refresh tokens: their rows, without any secret."""

from __future__ import annotations

from tenantry.model.oauth import RefreshToken, TokenFamily
from tenantry.storage import tables
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table, _token = tables.TokenFamily, tables.RefreshToken
_rows = Rows(TokenFamily, _table, read={"scopes": read_list, "amr": read_list})
_tokens = Rows(RefreshToken, _token)

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_OF_USER = Statement(_rows.select.where((_table.user_id == arg("user_id")) & (_table.revoked_at == 0)))
_REVOKE = Statement(
    _table.update({_table.revoked_at: arg("at")}).where((_table.id == arg("id")) & (_table.revoked_at == 0))
)
_EXPIRED = Statement(
    _table.select(_table.id).where(_table.expires_at <= arg("at")).order_by(_table.expires_at).limit(arg("limit"))
)
_DELETE = Statement(_table.delete().where(_table.id == arg("id")))
_TOKEN = Statement(_tokens.select.where(_token.id == arg("id")))
_USE = Statement(
    _token.update({_token.used_at: arg("at"), _token.successor: arg("successor")}).where(
        (_token.id == arg("id")) & (_token.used_at == 0)
    )
)
_DELETE_TOKENS = Statement(_token.delete().where(_token.family_id == arg("id")))


def insert(unit: Unit, family: TokenFamily) -> None:
    """Add ``family``."""
    unit.execute(_rows.insert, **_rows.values(family))


def get(unit: Unit, family_id: str) -> TokenFamily | None:
    """The family of that id, also when it was revoked or has expired."""
    return _rows.one(unit.execute(_GET, id=family_id))


def of_user(unit: Unit, user_id: str) -> list[TokenFamily]:
    """What the user has granted and nobody has revoked; some may have expired."""
    return _rows.all(unit.execute(_OF_USER, user_id=user_id))


def revoke(unit: Unit, family_id: str, at: int) -> bool:
    """Revoke the family; False when there is none or that was done before."""
    return unit.execute(_REVOKE, id=family_id, at=at).rowcount == 1


def add_token(unit: Unit, token: RefreshToken) -> None:
    """Add ``token``."""
    unit.execute(_tokens.insert, **_tokens.values(token))


def token(unit: Unit, token_id: str) -> RefreshToken | None:
    """The refresh token of that id, also when it was used."""
    return _tokens.one(unit.execute(_TOKEN, id=token_id))


def use_token(unit: Unit, token_id: str, at: int, successor: str) -> bool:
    """Note that the token was used for its successor; False when it was used before."""
    return unit.execute(_USE, id=token_id, at=at, successor=successor).rowcount == 1


def forget_expired(unit: Unit, at: int, limit: int) -> int:
    """Remove at most ``limit`` families that have expired by ``at``, with their tokens, and return how many."""
    found = [row[0] for row in unit.execute(_EXPIRED, at=at, limit=limit).fetchall()]
    for family_id in found:
        unit.execute(_DELETE_TOKENS, id=family_id)
        unit.execute(_DELETE, id=family_id)
    return len(found)

"""OAuth clients and their secrets: their rows, without any secret."""

from __future__ import annotations

import peewee

from tenantry.model.oauth import ClientKind, ClientSecret, OAuthClient, Registered
from tenantry.storage import tables
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table, _secret = tables.OAuthClient, tables.ClientSecret
_LISTS = ("redirect_uris", "post_logout_uris", "grant_types", "scopes")
_FLAGS = ("given", "first_party", "disabled")
_rows = Rows(
    OAuthClient,
    _table,
    read={**dict.fromkeys(_LISTS, read_list), **dict.fromkeys(_FLAGS, bool), "kind": ClientKind},
)
_secrets = Rows(ClientSecret, _secret)

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_PAGE = Statement(
    _rows.select.where((_table.tenant_id == arg("tenant_id")) & (_table.id > arg("after")))
    .order_by(_table.id)
    .limit(arg("limit"))
)
_COUNT = Statement(
    _table.select(peewee.fn.COUNT(_table.id)).where(_table.tenant_id == arg("tenant_id"))
)  # fmt: skip
_UPDATE = Statement(
    _table.update({getattr(_table, name): arg(name) for name in _rows.names if name != "id"}).where(
        (_table.id == arg("id")) & (_table.updated_at == arg("before"))
    )
)
_DELETE = Statement(_table.delete().where(_table.id == arg("id")))
_SECRETS = Statement(_secrets.select.where(_secret.client_id == arg("client_id")).order_by(_secret.created_at))
_DELETE_SECRET = Statement(
    _secret.delete().where((_secret.client_id == arg("client_id")) & (_secret.id == arg("id")))
)  # fmt: skip
_DELETE_SECRETS = Statement(_secret.delete().where(_secret.client_id == arg("client_id")))


def insert(unit: Unit, client: OAuthClient) -> None:
    """Add ``client``; its id is random, and never one in use."""
    unit.execute(_rows.insert, **_rows.values(client))


def get(unit: Unit, client_id: str) -> Registered | None:
    """The client of that id, and its secrets."""
    found = _rows.one(unit.execute(_GET, id=client_id))
    return Registered(found, tuple(_secrets.all(unit.execute(_SECRETS, client_id=client_id)))) if found else None


def page(unit: Unit, *, tenant_id: str = "", after: str = "", limit: int) -> list[OAuthClient]:
    """At most ``limit`` clients of a tenant, or of the platform, with ids beyond ``after``, in their order."""
    return _rows.all(unit.execute(_PAGE, tenant_id=tenant_id, after=after, limit=limit))


def count(unit: Unit, tenant_id: str) -> int:
    """How many the tenant has, or the platform."""
    return int(unit.execute(_COUNT, tenant_id=tenant_id).fetchone()[0])


def update(unit: Unit, client: OAuthClient, before: OAuthClient) -> bool:
    """Write ``client`` over ``before``, with a later ``updated_at``; False when another was faster."""
    return unit.execute(_UPDATE, before=before.updated_at, **_rows.values(client)).rowcount == 1


def delete(unit: Unit, client_id: str) -> bool:
    """Delete the client and its secrets; False when there is none."""
    unit.execute(_DELETE_SECRETS, client_id=client_id)
    return unit.execute(_DELETE, id=client_id).rowcount == 1


def add_secret(unit: Unit, secret: ClientSecret) -> None:
    """Add ``secret``."""
    unit.execute(_secrets.insert, **_secrets.values(secret))


def delete_secret(unit: Unit, client_id: str, secret_id: str) -> bool:
    """Delete one secret of the client; False when it has none of that id."""
    return unit.execute(_DELETE_SECRET, client_id=client_id, id=secret_id).rowcount == 1

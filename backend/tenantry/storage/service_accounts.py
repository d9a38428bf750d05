"""Service accounts: what the workloads of registered clusters may do, by cluster, namespace and name."""

from __future__ import annotations

from dataclasses import dataclass

import peewee

from tenantry.model.errors import Code, TenantryError
from tenantry.storage import tables
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """``cluster`` is the registered name of the cluster whose keys sign the account's tokens."""

    cluster: str
    namespace: str
    name: str
    scopes: tuple[str, ...]
    created_by: str
    created_at: int  # epoch microseconds


_table = tables.ServiceAccount
_rows = Rows(ServiceAccount, _table, read={"scopes": read_list})
_IS = (_table.cluster == arg("cluster")) & (_table.namespace == arg("namespace")) & (_table.name == arg("name"))

_GET = Statement(_rows.select.where(_IS))
_ALL = Statement(_rows.select.order_by(_table.cluster, _table.namespace, _table.name))
_REMOVE = Statement(_table.delete().where(_IS))


def insert(unit: Unit, account: ServiceAccount) -> None:
    """Add ``account``.

    Raises:
        TenantryError: ``ALREADY_EXISTS``.
    """
    try:
        unit.execute(_rows.insert, **_rows.values(account))
    except peewee.IntegrityError as error:
        name = f"{account.cluster}:{account.namespace}:{account.name}"
        raise TenantryError(Code.ALREADY_EXISTS, f"the service account {name} is registered already") from error


def get(unit: Unit, cluster: str, namespace: str, name: str) -> ServiceAccount | None:
    """The account of that name, if it is registered."""
    return _rows.one(unit.execute(_GET, cluster=cluster, namespace=namespace, name=name))


def all_accounts(unit: Unit) -> list[ServiceAccount]:
    """Every account, sorted; there are few."""
    return _rows.all(unit.execute(_ALL))


def remove(unit: Unit, cluster: str, namespace: str, name: str) -> bool:
    """Remove the account; whether there was one."""
    return unit.execute(_REMOVE, cluster=cluster, namespace=namespace, name=name).rowcount == 1

"""What is kept encrypted, in whichever table: read in pages, and replaced by the same under another key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import peewee

from tenantry.storage import tables
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit


@dataclass(frozen=True, slots=True)
class Place:
    """A column that holds encrypted text, empty where there is none; ``key`` is the primary key of its table."""

    key: peewee.Field
    text: peewee.Field


SIGNING_KEYS = Place(tables.SigningKey.id, tables.SigningKey.private)
PROVIDERS = Place(tables.IdentityProvider.name, tables.IdentityProvider.secret)
FACTORS = Place(tables.MfaFactor.user_id, tables.MfaFactor.secret)
WEBHOOKS = Place(tables.Webhook.id, tables.Webhook.secret)
OLD_OF_WEBHOOKS = Place(tables.Webhook.id, tables.Webhook.old_secret)


def page(unit: Unit, place: Place, *, after: str, limit: int) -> list[tuple[str, str]]:
    """At most ``limit`` rows with keys beyond ``after``: the key and the text of each."""
    beyond = (place.key > arg("after")) & (place.text != "")
    query = place.key.model.select(place.key, place.text).where(beyond).order_by(place.key).limit(limit)
    return cast("list[tuple[str, str]]", [tuple(row) for row in unit.execute(Statement(query), after=after).fetchall()])


def replace(unit: Unit, place: Place, key: str, old: str, new: str) -> bool:
    """Put ``new`` in the place of ``old``; False when that is not there any more.

    Who has read the row before and writes all of it later finds that it has changed.
    """
    change = {place.text: arg("new")}
    updated_at = getattr(place.key.model, "updated_at", None)
    if updated_at is not None:
        change[updated_at] = updated_at + 1
    update = place.key.model.update(change).where((place.key == arg("key")) & (place.text == arg("old")))
    return unit.execute(Statement(update), key=key, old=old, new=new).rowcount == 1

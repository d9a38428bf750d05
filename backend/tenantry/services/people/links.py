"""One-time links: made, read and used up; only a hash of the secret is kept."""

from __future__ import annotations

import hmac

from tenantry.model import ids
from tenantry.model.credentials import new_token, split_token
from tenantry.model.errors import Code, TenantryError
from tenantry.model.links import LIFETIMES, LINK_PREFIX, Link, Purpose
from tenantry.storage import links
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit


def make(unit: Unit, purpose: Purpose, user_id: str = "", *, email: str = "", auth_time: int = 0) -> str:
    """The token of a new link, in the place of the one that the user had for the purpose."""
    token, identifier, secret_sha = new_token(LINK_PREFIX)
    now = ids.now_micros()
    links.put(
        unit,
        Link(
            purpose=purpose,
            user_id=user_id,
            email=email,
            auth_time=auth_time,
            id=identifier,
            secret_sha=secret_sha,
            created_at=now,
            expires_at=now + LIFETIMES[purpose] * 1_000_000,
        ),
    )
    return token


async def find(db: Database, token: str, *purposes: Purpose) -> Link:
    """The link that ``token`` opens now, if it is for one of ``purposes``. To look is not to use.

    Raises:
        TenantryError: ``NOT_FOUND``.
    """
    parts = split_token(token, LINK_PREFIX)
    link = await db.run(links.get, parts[0]) if parts else None
    if (
        link is None
        or parts is None
        or not hmac.compare_digest(link.secret_sha, parts[1])
        or link.purpose not in purposes
        or link.used_at
        or link.expires_at <= ids.now_micros()
    ):
        raise spent()
    return link


def redeem(unit: Unit, link: Link) -> None:
    """Use ``link`` up, in the unit that does what it is for: one caller only gets beyond this.

    Raises:
        TenantryError: ``NOT_FOUND``, another has used it, or it was replaced.
    """
    if not links.redeem(unit, link, ids.now_micros()):
        raise spent()


def spent() -> TenantryError:
    """Why a link does not work; what exactly is wrong with it is nobody's business."""
    what = "the link was used already, has expired or was never valid"
    return TenantryError(Code.NOT_FOUND, f"{what}: sign in if you have used it, or ask for a new one")

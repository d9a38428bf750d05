"""Credentials that are not taken: counted, and told to whoever sent them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tenantry import metrics
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor


class RefusedError(TenantryError):
    """A credential that is known is not taken: it has expired, was revoked, or comes from elsewhere.

    ``actor`` is who it stands for.
    """

    def __init__(self, message: str, actor: Actor, code: Code = Code.UNAUTHENTICATED) -> None:
        super().__init__(code, message)
        self.actor = actor


@contextlib.contextmanager
def counting(method: str) -> Iterator[None]:
    """Count it under ``method`` when the database cannot tell."""
    try:
        yield
    except TenantryError as error:
        if error.code is Code.UNAVAILABLE:
            metrics.AUTHENTICATIONS.count(method, "unavailable")
        raise


def refusal(method: str, outcome: str, message: str, actor: Actor | None = None) -> TenantryError:
    """Count a refusal, and make what is raised for it."""
    metrics.AUTHENTICATIONS.count(method, outcome)
    return RefusedError(message, actor) if actor else TenantryError(Code.UNAUTHENTICATED, message)

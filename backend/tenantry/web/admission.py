"""Who sends a request, if it is not one too many."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.web.authentication import ANONYMOUS, Credentials
from tenantry.web.routes import Cookie
from tenantry.wiring import Services


class Admission:
    """What each request passes before anything is done for it."""

    def __init__(self, services: Services) -> None:
        self._credentials = Credentials(services)
        self._limits = services.rate_limits

    async def admit(self, request: web.Request, address: str, cookie: Cookie, *, is_free: bool) -> Actor:
        """The actor of ``request``.

        Args:
            request: with or without a credential.
            address: where it comes from.
            cookie: what a session's cookie is to its route.
            is_free: it is not counted, unless its credential is not valid.

        Raises:
            TenantryError: as :meth:`Credentials.read`; ``TOO_MANY_REQUESTS``.
        """
        limits = self._limits
        try:
            if limits.is_exhausted(address) and self._credentials.are_unknown(request, cookie):
                limits.admit_stranger(address)  # who is refused; nothing need be looked up for that
            actor = await self._credentials.read(request, address, cookie)
        except TenantryError as error:
            if error.code is Code.UNAUTHENTICATED:
                limits.admit_stranger(address)
            raise
        if is_free:
            pass
        elif actor is ANONYMOUS:
            limits.admit_stranger(address)
        else:
            limits.admit(actor)
        return actor

"""Second factors: an authenticator app beside the password, and recovery codes for when it is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tenantry.model import ids, totp
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.factors import RECOVERY_CODES, Factor, hash_recovery_code, new_recovery_code
from tenantry.model.identity import Actor, User
from tenantry.services.encryption import Encryption
from tenantry.services.people.accounts import Accounts, renew
from tenantry.services.throttle import CODES, Throttle
from tenantry.storage import factors, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

_ISSUER = "Tenantry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What an authenticator app must be told: the ``uri`` as a QR code, or the ``secret`` typed by hand."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Whether a user has a second factor: ``since`` in epoch microseconds, 0 for none."""

    since: int = 0
    codes_left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A factor that counts from now on. The codes are shown this once; the user's other sessions have ended."""

    user: User
    recovery_codes: tuple[str, ...]


class Factors:
    """What can be done with second factors."""

    def __init__(
        self,
        db: Database,
        accounts: Accounts,
        encryption: Encryption,
        throttle: Throttle,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._encryption = encryption
        self._throttle = throttle
        self._now = now

    async def state(self, user_id: str) -> State:
        """Whether the user has a factor that counts."""
        return await self._db.run(state, user_id)

    async def enrol(self, actor: Actor, password: str) -> Enrolment:
        """Begin with a new app, which counts once :meth:`confirm` has got a code of it.

        That takes the same session, within ten minutes: the secret is shown again to nobody else.

        Raises:
            TenantryError: ``CONFLICT``, there is one that counts; ``INVALID`` at ``password``.
        """
        user = await self._accounts.confirm(actor, password)
        secret = totp.new_secret()
        kept = self._encryption.encrypt(secret.encode(), context(user.id))
        begun = Factor(user_id=user.id, secret=kept, session_id=actor.session_id, created_at=ids.now_micros())
        await self._db.run(_enrol, begun, write=True)
        return Enrolment(secret=secret, uri=totp.uri(secret, user.email, _ISSUER))

    async def pending(self, actor: Actor) -> Enrolment | None:
        """What :meth:`enrol` has begun in the actor's session, if it waits for its first code."""
        factor = await self._db.run(factors.get, actor.user_id)
        user = await self._db.run(users.get, actor.user_id)
        if factor is None or not factor.waits_for(actor.session_id, ids.now_micros()) or user is None:
            return None
        secret = self._secret(factor)
        return Enrolment(secret=secret, uri=totp.uri(secret, user.email, _ISSUER))

    async def confirm(self, actor: Actor, code: str) -> Confirmed:
        """Let the app count from now on, and end all sessions of the user.

        Raises:
            TenantryError: ``CONFLICT``, nothing waits for a code; ``INVALID`` at ``code``; ``TOO_MANY_REQUESTS``.
        """
        factor = await self._db.run(factors.get, actor.user_id)
        if factor is None or not factor.waits_for(actor.session_id, ids.now_micros()):
            raise _nothing_waits()
        ticket = await self._throttle.admit(CODES, actor.user_id)
        step = totp.step_of(self._secret(factor), _digits(code), self._now())
        if not step:
            wrong = FieldError("code", FieldCode.INVALID, "Invalid value: is not the code that the app shows now")
            raise TenantryError(Code.INVALID, "the code is wrong", [wrong])
        codes = tuple(new_recovery_code() for _ in range(RECOVERY_CODES))
        user = await self._db.run(_confirm, actor, factor, step, tuple(map(hash_recovery_code, codes)), write=True)
        await self._throttle.give_back(ticket)
        await self._accounts.tell(user, "Two-step sign-in was turned on. You were signed out everywhere else.")
        return Confirmed(user=user, recovery_codes=codes)

    async def disable(self, actor: Actor, password: str) -> User:
        """Go back to the password alone, and end all sessions of the user.

        Raises:
            TenantryError: ``CONFLICT``, there is no second factor; ``INVALID`` at ``password``.
        """
        user = await self._accounts.confirm(actor, password)
        changed = await self._db.run(_disable, actor, user, write=True)
        await self._accounts.tell(changed, "Two-step sign-in was turned off. You were signed out everywhere else.")
        return changed

    async def step_of(self, user_id: str, code: str) -> int:
        """The time step whose code that is at the user's app, 0 for none; whether it was used is not looked at."""
        if len(_digits(code)) != totp.DIGITS:
            return 0
        factor = await self._db.run(factors.get, user_id)
        if factor is None or not factor.confirmed_at:
            return 0
        return totp.step_of(self._secret(factor), _digits(code), self._now())

    def _secret(self, factor: Factor) -> str:
        return self._encryption.decrypt(factor.secret, context(factor.user_id)).decode()


def use(unit: Unit, user_id: str, step: int, code: str) -> bool:
    """Use a code of the app, or a recovery code when ``step`` is 0; False when it is wrong or was used."""
    if step:
        return factors.use_step(unit, user_id, step)
    return factors.use_code(unit, user_id, hash_recovery_code(code), ids.now_micros())


def state(unit: Unit, user_id: str) -> State:
    """As :meth:`Factors.state`."""
    factor = factors.get(unit, user_id)
    if factor is None or not factor.confirmed_at:
        return State()
    return State(since=factor.confirmed_at, codes_left=factors.unused_codes(unit, user_id))


def _enrol(unit: Unit, factor: Factor) -> None:
    known = factors.get(unit, factor.user_id)
    if known and known.confirmed_at:
        raise TenantryError(Code.CONFLICT, "there is a second factor already: turn it off before you take another")
    factors.put(unit, factor)


def _confirm(unit: Unit, actor: Actor, factor: Factor, step: int, code_shas: tuple[str, ...]) -> User:
    user = users.get(unit, factor.user_id)
    if user is None or not factors.confirm(unit, factor, step, code_shas, ids.now_micros()):
        raise _nothing_waits()
    return renew(unit, actor, user, "second-factor.enable")


def _disable(unit: Unit, actor: Actor, user: User) -> User:
    known = factors.get(unit, user.id)
    factors.remove(unit, user.id)
    if known is None or not known.confirmed_at:
        raise TenantryError(Code.CONFLICT, "there is no second factor")
    return renew(unit, actor, user, "second-factor.disable")


def _nothing_waits() -> TenantryError:
    return TenantryError(Code.CONFLICT, "no authenticator app waits for its first code: begin again")


def _digits(code: str) -> str:
    """A code as people type it, without the space in its middle."""
    return code.replace(" ", "")


def context(user_id: str) -> str:
    """Where the secret of the user's app belongs."""
    return f"second-factor:{user_id}"

"""Signing in with an identity provider, and linking who one is there to one's account.

A browser leaves with a ``state`` that works once, for that browser and that provider. Who comes back is known by
issuer and subject, never by an e-mail address: an address may be another person's next year, and not every provider
asks who has it. So an identity that nobody has becomes a user only where strangers may, and is never added to an
account by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenantry import metrics
from tenantry.model import email_address, ids
from tenantry.model.audit import AuditEvent, Result
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import SEVERAL_FACTORS, Actor, User, UserStatus
from tenantry.model.links import Purpose
from tenantry.model.providers import TRANSACTION_LIFE_US, Identity, LoginTransaction, Provider, identity_id
from tenantry.services.audit.log import AuditLog, event
from tenantry.services.federation import id_tokens
from tenantry.services.federation.id_tokens import UnbelievableError
from tenantry.services.federation.oidc import RelyingParty, Request
from tenantry.services.federation.providers import Providers
from tenantry.services.outbound import OutboundError
from tenantry.services.people import links
from tenantry.services.people.accounts import Accounts, end_sessions
from tenantry.services.people.factors import Factors
from tenantry.services.people.invites import Invites
from tenantry.services.people.sessions import NewSession, Sessions
from tenantry.services.people.sign_in import ELSEWHERE
from tenantry.services.standing import notice
from tenantry.storage import audit, changes, identities, logins, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

_MESSAGE = 1000  # characters of an audit row
_RETURN_TO = 500  # characters
_BEGIN = "session.begin"
_SIGNED_OUT = "You were signed out everywhere else."
_NONCE = bytes(12)  # each key encrypts one text
_SECOND = 1_000_000  # microseconds
_METHODS = 8  # of authentication that a session remembers

logger = logging.getLogger(__name__)


class NotSignedInError(Exception):
    """Nobody is signed in; its text says why, to the person, and ``detail`` to the log and the audit log.

    What is wrong between us and a provider is not for strangers: it names addresses that only we can reach.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail or message


@dataclass(frozen=True, slots=True)
class Departure:
    """A browser that leaves for ``url`` and keeps ``browser`` in a cookie until it comes back."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A browser that came back, and where it wanted to be; without a session, what it linked was linked before.

    ``halfway`` is for who has a second factor here, and was asked for none there: what :meth:`SignIn.with_code` takes.
    """

    session: NewSession | None
    return_to: str
    halfway: str = ""


class Federation:
    """Sign-ins at all providers; where ``everybody`` may sign up, a stranger becomes a user at each of them."""

    def __init__(  # noqa: PLR0913, PLR0917 - the services that it brings together
        self,
        db: Database,
        providers: Providers,
        party: RelyingParty,
        begun: Sessions,
        invites: Invites,
        accounts: Accounts,
        factors: Factors,
        denied: AuditLog,
        *,
        everybody: bool = False,
    ) -> None:
        self._db = db
        self._providers = providers
        self._party = party
        self._sessions = begun
        self._invites = invites
        self._accounts = accounts
        self._factors = factors
        self._audit = denied
        self._everybody = everybody

    async def depart(  # noqa: PLR0913 - what a browser has with it
        self,
        actor: Actor,
        provider: str,
        *,
        here: str,
        browser: str = "",
        return_to: str = "",
        invite: str = "",
        link: bool = False,
        fresh: bool = False,
    ) -> Departure:
        """Send a browser to a provider.

        Args:
            actor: the request.
            provider: name of the provider.
            here: URL to which the browser comes back.
            browser: what the browser has from a departure before.
            return_to: where it wants to be in the end.
            invite: the token of an invite that is about to be accepted; with it a stranger may become a user.
            link: nobody signs in, but the identity becomes one of the actor's user, who has just proved who they are.
            fresh: it does not count that the provider knows them already: it must let them prove who they are.

        Raises:
            TenantryError: ``NOT_FOUND``, there is no such provider; ``UNAVAILABLE``, it cannot be used now.
        """
        found = await self._providers.find(provider)
        now = ids.now_micros()
        browser = browser or secrets.token_urlsafe(32)
        state = secrets.token_urlsafe(24)
        login = LoginTransaction(
            id=state,
            browser_sha=_sha(browser),
            provider=found.name,
            return_to=_seal(browser, state, f"{invite} {return_to if len(return_to) <= _RETURN_TO else ''}"),
            user_id=actor.user_id if link else "",
            session_id=actor.session_id if link else "",
            fresh=fresh,
            created_at=now,
            expires_at=now + TRANSACTION_LIFE_US,
        )
        try:
            url = await self._party.authorization_url(found, _request(login, browser, here))
        except (OutboundError, UnbelievableError) as error:
            logger.warning("nobody can sign in with %s: %s", found.name, error)
            message = f"{found.display_name} cannot be used at this moment: try later"  # why is not for strangers
            raise TenantryError(Code.UNAVAILABLE, message, retry_after=10) from None
        await self._db.run(logins.insert, login, write=True)
        return Departure(url, browser)

    async def arrive(  # noqa: PLR0913 - as above
        self, actor: Actor, provider: str, answer: Mapping[str, str], *, here: str, browser: str, user_agent: str = ""
    ) -> Arrival:
        """Let somebody in who comes back from a provider with ``answer``, the parameters of the request.

        Raises:
            NotSignedInError: nobody is let in, and why; the audit log has it.
            TenantryError: ``NOT_FOUND``, there is no such provider.
        """
        found = await self._providers.find(provider)
        state, now = answer.get("state", "")[:36], ids.now_micros()
        login = await self._db.run(logins.use, state, _sha(browser), found.name, now, write=True)
        if login is None:
            why = "this sign-in was not begun in this browser, took too long, or is over: begin again"
            self._audit.note_denied(actor, _BEGIN, provider, TenantryError(Code.FORBIDDEN, why))
            raise NotSignedInError(why)
        try:
            invite, _, return_to = _open(browser, login).partition(" ")
            claims = await self._claims(actor, found, login, answer, _request(login, browser, here))
            if login.user_id:
                user = await self._db.run(_link, actor, found, claims, write=True)
                if user is None:
                    return Arrival(None, return_to)
                await self._accounts.tell(user, f"You can sign in with {found.display_name} now. {_SIGNED_OUT}")
                return Arrival(await self._sessions.renew(actor, user), return_to)
            may_join = self._everybody or found.auto_provision or await self._invites.is_good(invite)
            at = _auth_time(found, login, claims)
            user = await self._db.run(_user_of, actor, found, claims, may_join, write=True)
            methods = _methods(claims)
            if SEVERAL_FACTORS not in methods and (await self._factors.state(user.id)).since:
                make = partial(links.make, auth_time=at)
                halfway = await self._db.run(make, Purpose.SIGN_IN_ELSEWHERE, user.id, write=True)
                return Arrival(None, return_to, halfway)
            session = await self._sessions.begin(actor, user, methods, auth_time=at, user_agent=user_agent)
            metrics.SIGN_INS.count("ok")
            return Arrival(session, return_to)
        except NotSignedInError as refusal:
            metrics.SIGN_INS.count("refused")
            logger.info("nobody is signed in with %s: %s", found.name, refusal.detail)
            await self._db.run(audit.append, _denied(actor, found, login, refusal.detail), write=True)
            raise

    async def identities(self, actor: Actor) -> list[Identity]:
        """Who the actor's user is elsewhere."""
        return await self._db.run(identities.of_user, actor.user_id)

    async def unlink(self, actor: Actor, identifier: str) -> tuple[Identity, User]:
        """Take an identity from the actor's user, as they are afterwards, and end all their sessions.

        Raises:
            TenantryError: ``NOT_FOUND``; ``CONFLICT``, the user could not sign in any more.
        """
        identity, user = await self._db.run(_unlink, actor, identifier, write=True)
        await self._accounts.tell(user, f"You cannot sign in as {_who(identity)} any more. {_SIGNED_OUT}")
        return identity, user

    async def _claims(
        self, actor: Actor, provider: Provider, login: LoginTransaction, answer: Mapping[str, str], request: Request
    ) -> Mapping[str, Any]:
        """What the provider says of who has signed in."""
        if login.user_id and (actor.user_id, actor.session_id) != (login.user_id, login.session_id):
            raise NotSignedInError("the session in which this was begun is over: sign in, and begin again")
        try:
            await self._party.check_issuer(provider, answer.get("iss"))
            if "error" in answer:
                raise NotSignedInError(f"{provider.display_name} did not sign you in ({_word(answer['error'])})")
            if not answer.get("code"):
                raise NotSignedInError(f"{provider.display_name} did not say who you are")
            return await self._party.claims(provider, self._providers.secret(provider), request, answer["code"])
        except (UnbelievableError, OutboundError, TenantryError) as error:
            raise NotSignedInError(
                f"{provider.display_name} could not be used to sign you in: try again later, and if that does not "
                "help, tell whoever runs this server, whose log says why under this request",
                f"what {provider.display_name} says cannot be believed: {error}",
            ) from None


def _user_of(
    unit: Unit,
    actor: Actor,
    provider: Provider,
    claims: Mapping[str, Any],
    may_join: bool,  # noqa: FBT001 - of a unit
) -> User:
    """The user whose identity it is, or becomes, where a stranger may join."""
    identity = _identity(provider, claims)
    if not provider.admits(identity.email):
        domains = ", ".join(provider.email_domains)
        raise NotSignedInError(
            f"only who has a verified e-mail address of {domains} may sign in with {provider.display_name}"
        )
    known = identities.get(unit, identity.id)
    user = users.get(unit, known.user_id) if known else None
    if known and user:
        if user.status is not UserStatus.ACTIVE:
            raise NotSignedInError("your account is disabled")
        identities.note_use(unit, identity.id, identity.email, ids.now_micros())
        return user
    if identity.email and users.find(unit, identity.email):
        raise NotSignedInError(
            f"there is an account with the address {identity.email}: sign in to it as you did before, and add "
            f"{provider.display_name} on your account's page"
        )
    if not may_join:
        raise NotSignedInError(
            f"nobody here has an account that {provider.display_name} is added to: ask for an invite"
        )
    return _provision(unit, actor, provider, identity, claims)


def _provision(unit: Unit, actor: Actor, provider: Provider, identity: Identity, claims: Mapping[str, Any]) -> User:
    if not identity.email:
        raise NotSignedInError(
            f"{provider.display_name} does not vouch for your e-mail address, without which no account is"
        )
    now = ids.now_micros()
    name = claims.get("name")
    user = User(
        id=ids.uuid7(),
        email=identity.email,
        email_verified=True,
        name=name[:100] if isinstance(name, str) and name.isprintable() else "",
        created_at=now,
        updated_at=now,
    )
    if not users.insert(unit, user) or not identities.insert(unit, replace(identity, user_id=user.id)):
        raise TenantryError(Code.CONFLICT, "the account was made at the same moment: sign in again")
    who = replace(actor, name=f"user:{user.id}", tenant_id="")
    message = f"{provider.name} {user.email}"
    audit.append(unit, event(who, "user.provision", "User", user.id, at=now, message=message))
    changes.announce(unit, notice(user), at=now)
    return user


def _link(unit: Unit, actor: Actor, provider: Provider, claims: Mapping[str, Any]) -> User | None:
    """The user as they are afterwards; None when it was theirs already."""
    identity = _identity(provider, claims)
    known = identities.get(unit, identity.id)
    if known and known.user_id == actor.user_id:
        return None
    if known or not identities.insert(unit, replace(identity, user_id=actor.user_id)):
        raise NotSignedInError(f"who you are at {provider.display_name} belongs to another account already")
    user = users.get(unit, actor.user_id)
    if user is None:
        raise NotSignedInError("your account is gone")
    _note(unit, actor, "identity.link", identity)
    return end_sessions(unit, actor, user)


def _unlink(unit: Unit, actor: Actor, identifier: str) -> tuple[Identity, User]:
    user, found = users.get(unit, actor.user_id), identities.of_user(unit, actor.user_id)
    identity = next((each for each in found if each.id == identifier), None)
    if user is None or identity is None:
        raise TenantryError(Code.NOT_FOUND, f'there is no identity "{identifier}"')
    if len(found) == 1 and not user.password_hash:
        raise TenantryError(Code.CONFLICT, "you could not sign in any more: set a password, or add another first")
    identities.delete(unit, identity.id, user.id)
    _note(unit, actor, "identity.unlink", identity)
    # the row of the user is what two who unlink at once both write: only one of them gets on
    return identity, end_sessions(unit, actor, user)


def _who(identity: Identity) -> str:
    return f"{identity.email or identity.subject} at {identity.issuer}"


def _identity(provider: Provider, claims: Mapping[str, Any]) -> Identity:
    """Who the provider says it is; the address only when it has verified it."""
    now = ids.now_micros()
    email = ""
    if claims.get("email_verified") is True and isinstance(claims.get("email"), str):
        try:
            email = email_address.check(claims["email"])
        except TenantryError:
            email = ""
    return Identity(
        id=identity_id(provider.issuer, claims["sub"]),
        issuer=provider.issuer,
        subject=claims["sub"],
        user_id="",
        email=email,
        created_at=now,
        last_used_at=now,
    )


def _methods(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """That they come from elsewhere, and how the provider says that they have proved who they are (RFC 8176)."""
    told = claims.get("amr")
    words = [word for word in told if isinstance(word, str) and _word(word) == word] if isinstance(told, list) else []
    return (*ELSEWHERE, *words[:_METHODS])


def _auth_time(provider: Provider, login: LoginTransaction, claims: Mapping[str, Any]) -> int:
    """When they have proved to the provider who they are, in epoch microseconds; 0 if it does not tell and need not.

    Raises:
        NotSignedInError: it had to be now, and was not, or the provider does not tell.
    """
    told = int(id_tokens.auth_time(claims) * _SECOND)
    if not login.fresh:
        return told
    if told < login.created_at - id_tokens.LEEWAY * _SECOND:
        known = "has let you in without asking again who you are" if told else "does not tell when it asked who you are"
        raise NotSignedInError(
            f"what you were about to do needs a sign-in of this moment, and {provider.display_name} {known}: sign out "
            f"there and try again, or sign in here another way, such as with a password; whoever runs "
            f"{provider.display_name} can let it heed max_age and tell auth_time"
        )
    return max(told, login.created_at)  # it was after they left, whatever the clock there says


def _request(login: LoginTransaction, browser: str, here: str) -> Request:
    """What is secret of a sign-in is made of what only the browser has, and stands nowhere else."""
    return Request(
        state=login.id,
        nonce=_derive(browser, "nonce", login.id),
        verifier=_derive(browser, "verifier", login.id),
        redirect_uri=here,
        since=login.created_at / _SECOND,
        fresh=login.fresh,
    )


def _derive(browser: str, purpose: str, state: str) -> str:
    return hmac.digest(browser.encode(errors="replace"), f"{purpose}:{state}".encode(), "sha256").hex()


def _seal(browser: str, state: str, text: str) -> str:
    """``text`` as only the browser can have it read: it may hold the token of an invite."""
    return urlsafe_b64encode(_cipher(browser, state).encrypt(_NONCE, text.encode(), None)).decode()


def _open(browser: str, login: LoginTransaction) -> str:
    return _cipher(browser, login.id).decrypt(_NONCE, urlsafe_b64decode(login.return_to), None).decode()


def _cipher(browser: str, state: str) -> AESGCM:
    return AESGCM(bytes.fromhex(_derive(browser, "return_to", state)))


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _word(text: str) -> str:
    """``text`` from a stranger, if it is an error code or the like, and else nothing of it."""
    return text if 0 < len(text) <= 40 and text.isascii() and text.replace("_", "").isalnum() else "unknown"  # noqa: PLR2004


def _note(unit: Unit, actor: Actor, action: str, identity: Identity) -> None:
    message = f"{identity.issuer} {identity.email}".strip()
    audit.append(unit, event(actor, action, "Identity", identity.id, at=ids.now_micros(), message=message))


def _denied(actor: Actor, provider: Provider, login: LoginTransaction | None, message: str) -> AuditEvent:
    action = "identity.link" if login and login.user_id else _BEGIN
    row = event(actor, action, "IdentityProvider", provider.name, at=ids.now_micros(), message=message[:_MESSAGE])
    return replace(row, result=Result.DENIED)

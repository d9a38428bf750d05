"""E-mail addresses that are proved: by a link that is mailed there, and that nobody else gets to see.

Who proves one may make an account with it, where strangers may; who has an account proves that its address is theirs.
"""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from tenantry.model import email_address, ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.fielderrors import FieldErrors
from tenantry.model.identity import Actor, User
from tenantry.model.links import Link, Purpose
from tenantry.services.audit.log import event
from tenantry.services.people import links
from tenantry.services.people.accounts import check_name
from tenantry.services.people.errands import Errands
from tenantry.services.people.invites import Invites
from tenantry.services.people.mail import Mail
from tenantry.services.people.passwords import Passwords
from tenantry.services.standing import notice
from tenantry.services.throttle import MAILS, Throttle
from tenantry.storage import audit, changes, users
from tenantry.storage import links as link_rows
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

_BATCH = 500  # links that are forgotten in a unit

_NEW = """\
Somebody, probably you, wants to make an account with this address.

Open this within an hour; it works once:

    {url}

If it was not you, do nothing.
"""
_KNOWN = """\
Somebody, probably you, wants to make an account with this address. There is one already; sign in to it here:

    {url}

If you have forgotten its password, that page helps. If it was not you, do nothing.
"""
_PROOF = """\
Somebody, probably you, has an account with this address. To tell that the address is yours, open this within an hour,
in the browser that is signed in:

    {url}

If it was not you, do nothing: the account is of no use to whoever has made it.
"""


class EmailAddresses:
    """Proves addresses by mail.

    Args:
        db: where users and links are.
        passwords: hashes.
        throttle: counts the mails to an address.
        mail: brings the links.
        invites: let strangers make an account.
        url: under which people open our pages.
        everybody: strangers may make an account without an invite.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the services that it brings together
        self,
        db: Database,
        passwords: Passwords,
        throttle: Throttle,
        mail: Mail,
        invites: Invites,
        url: str,
        *,
        everybody: bool,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._throttle = throttle
        self._mail = mail
        self._invites = invites
        self._url = url
        self._everybody = everybody
        self._errands = Errands()

    async def close(self) -> None:
        """Let the links be made that were asked for."""
        await self._errands.close()

    async def admits(self, invite: str) -> bool:
        """Whether a stranger may make an account, with that token of an invite or without any."""
        return self._everybody or await self._invites.is_good(invite)

    async def send_registration(self, actor: Actor, email: str, *, invite: str = "", return_to: str = "") -> None:
        """Mail a link by which an account can be made, or where to sign in when there is one.

        It is done beside the request: nobody learns from the answer, or how long it takes, whether there is.

        Args:
            actor: the request.
            email: where the link goes.
            invite: token of the invite that lets the stranger in.
            return_to: path to which they are sent in the end.

        Raises:
            TenantryError: ``INVALID`` at ``email``; ``FORBIDDEN``, strangers may not; ``UNAVAILABLE``, no mail is sent.
        """
        address = email_address.check(email)
        if not await self.admits(invite):
            raise TenantryError(Code.FORBIDDEN, "an account is made with an invite here: ask for one")
        if not self._mail.is_on:
            raise TenantryError(Code.UNAVAILABLE, "this server sends no mail, by which an address could be proved")
        self._errands.run("a link to make an account", self._send_registration(actor, address, return_to))

    async def find(self, token: str) -> Link:
        """The link of that token by which an account can be made with its ``email``.

        Raises:
            TenantryError: ``NOT_FOUND``, the link does not work.
        """
        return await links.find(self._db, token, Purpose.REGISTRATION)

    async def register(
        self, actor: Actor, token: str, name: str, password: str, *, repeated: str | None = None
    ) -> User:
        """Make an account for the address to which the link went, and use the link up.

        Raises:
            TenantryError: ``NOT_FOUND``, the link does not work; ``ALREADY_EXISTS``, the address has an account by now;
                ``INVALID`` at ``name``, ``password`` or ``repeated``.
        """
        link = await self.find(token)
        wrong, hashed = FieldErrors(), ""
        with wrong:
            name = check_name(name)
        with wrong:
            hashed = await self._passwords.hash(password, about=(link.email, name), repeated=repeated)
        wrong.refuse()
        now = ids.now_micros()
        user = User(
            id=ids.uuid7(),
            email=link.email,
            email_verified=True,
            name=name,
            password_hash=hashed,
            created_at=now,
            updated_at=now,
        )
        return await self._db.run(_register, actor, link, user, write=True)

    async def send_proof(self, actor: Actor) -> None:
        """Mail the actor a link by which they prove that the address of their account is theirs.

        Raises:
            TenantryError: ``UNAVAILABLE``, no mail is sent; ``TOO_MANY_REQUESTS``.
        """
        user = await self._db.run(users.get, actor.user_id)
        if user is None or user.email_verified:
            return
        if not self._mail.is_on:
            raise TenantryError(Code.UNAVAILABLE, "this server sends no mail, by which an address could be proved")
        await self._throttle.admit(MAILS, f"{Purpose.ADDRESS} {user.email}")
        token = await self._db.run(links.make, Purpose.ADDRESS, user.id, write=True)
        self._mail.send(user.email, "Is this your address?", _PROOF.format(url=f"{self._url}/account/email/{token}"))

    async def prove(self, actor: Actor, token: str) -> None:
        """Note that the actor has proved the address of their account.

        Raises:
            TenantryError: ``NOT_FOUND``, the link does not work, or is another's; ``CONFLICT``, another account has
                proved the address.
        """
        link = await links.find(self._db, token, Purpose.ADDRESS)
        if link.user_id != actor.user_id:
            raise links.spent()
        await self._db.run(_prove, actor, link, write=True)

    async def forget_expired(self) -> None:
        """Remove links that are of no use any more; one replica does it."""
        while await self._db.run(link_rows.forget_expired, ids.now_micros(), _BATCH, write=True):
            pass

    async def _send_registration(self, actor: Actor, email: str, return_to: str) -> None:
        await self._throttle.admit(MAILS, f"{Purpose.REGISTRATION} {email}")
        token = await self._db.run(_registration_link, actor, email, write=True)
        query = f"?{urlencode({'return_to': return_to})}" if return_to else ""
        text = _NEW.format(url=f"{self._url}/sign-up/{token}{query}")
        if not token:
            text = _KNOWN.format(url=f"{self._url}/login{query}")
        self._mail.send(email, "Your account", text)


def _registration_link(unit: Unit, actor: Actor, email: str) -> str:
    """The token of a new link; none where there is an account."""
    if users.find(unit, email):
        return ""
    token = links.make(unit, Purpose.REGISTRATION, str(uuid.uuid5(uuid.NAMESPACE_URL, f"mailto:{email}")), email=email)
    audit.append(unit, event(actor, "registration-link.create", "User", "", at=ids.now_micros(), message=email))
    return token


def _register(unit: Unit, actor: Actor, link: Link, user: User) -> User:
    links.redeem(unit, link)
    if not users.insert(unit, user):
        raise TenantryError(Code.ALREADY_EXISTS, f"there is an account for {user.email}: sign in with it")
    who = Actor(name=f"user:{user.id}", ip=actor.ip, request_id=actor.request_id)
    audit.append(unit, event(who, "user.create", "User", user.id, at=user.created_at, message=user.email))
    changes.announce(unit, notice(user), at=user.created_at)
    return user


def _prove(unit: Unit, actor: Actor, link: Link) -> None:
    links.redeem(unit, link)
    user = users.get(unit, link.user_id)
    if user is None:
        raise links.spent()
    now = max(ids.now_micros(), user.updated_at + 1)
    if not users.verify_email(unit, user, now):
        raise TenantryError(Code.CONFLICT, "another account has proved that it has this address: sign in to that one")
    audit.append(unit, event(actor, "email.verify", "User", user.id, at=now, tenant_id="", message=user.email))
    changes.announce(unit, notice(user), at=now)

"""Local accounts: the first administrator, new passwords, and links for who cannot sign in any more."""

from __future__ import annotations

from dataclasses import replace

from tenantry.model import email_address, fielderrors, ids
from tenantry.model.audit import AuditEvent
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.fielderrors import FieldErrors
from tenantry.model.identity import Actor, User, UserStatus
from tenantry.model.links import Link, Purpose
from tenantry.model.notice import Notice
from tenantry.services.audit.log import event
from tenantry.services.people import links
from tenantry.services.people.errands import Errands
from tenantry.services.people.mail import Mail
from tenantry.services.people.passwords import Passwords
from tenantry.services.session_check import check_fresh, check_recent, check_session
from tenantry.services.standing import notice
from tenantry.services.throttle import CONFIRMATIONS, MAILS, NEWS, Throttle, forgive_passwords
from tenantry.services.withdrawal import Held, access_of, withdraw_access, withdraw_grants
from tenantry.storage import audit, changes, factors, users
from tenantry.storage import links as link_rows
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

_NAME = 100  # characters

_RESET = """\
Somebody, probably you, has asked to set a new password for this address.

Open this within ten minutes; it works once:

    {url}

If it was not you, do nothing: your password stays as it is.
"""
_NEWS = """\
{news}

If it was not you, ask who runs this server for help. Your account is here:

    {url}
"""


class Accounts:
    """What can be done with local accounts.

    Args:
        db: where they are.
        passwords: hashes and verifies.
        throttle: counts what strangers ask for.
        mail: brings links, and news of changes.
        url: under which people open our pages.
    """

    def __init__(self, db: Database, passwords: Passwords, throttle: Throttle, mail: Mail, url: str) -> None:
        self._db = db
        self._passwords = passwords
        self._throttle = throttle
        self._mail = mail
        self._url = url
        self._errands = Errands()

    async def close(self) -> None:
        """Let the links be made that were asked for."""
        await self._errands.close()

    def link(self, path: str) -> str:
        """The address of one of our pages, for people."""
        return self._url + path

    async def are_none(self) -> bool:
        """Whether there is no user yet."""
        return await self._db.run(users.is_empty)

    async def setup_link(self, actor: Actor) -> str:
        """The token of the link by which the first administrator comes in; one that was made before is void.

        Raises:
            TenantryError: ``CONFLICT``, there are users already.
        """
        return await self._db.run(_setup_link, actor, write=True)

    async def check_setup(self, token: str) -> None:
        """See whether the token of a setup link works.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        await links.find(self._db, token, Purpose.SETUP)

    async def set_up(  # noqa: PLR0913 - the fields of a form
        self, actor: Actor, token: str, email: str, name: str, password: str, *, repeated: str | None = None
    ) -> User:
        """Make the first administrator, and use the link up.

        Raises:
            TenantryError: ``NOT_FOUND``, the link does not work; ``INVALID`` at ``email``, ``name``, ``password`` or
                ``repeated``.
        """
        link = await links.find(self._db, token, Purpose.SETUP)
        wrong, address, hashed = FieldErrors(), email_address.normalise(email), ""
        with wrong:
            email_address.check(email)
        with wrong:
            name = check_name(name)
        with wrong:
            hashed = await self._passwords.hash(password, about=(address, name), repeated=repeated)
        wrong.refuse()
        now = ids.now_micros()
        user = User(
            id=ids.uuid7(),
            email=address,
            name=name,
            password_hash=hashed,
            platform_admin=True,
            created_at=now,
            updated_at=now,
        )
        return await self._db.run(_set_up, actor, link, user, write=True)

    async def recovery_link(self, actor: Actor, who: str) -> str:
        """The token of a link by which a user sets a new password, and nothing else goes on to let anybody in as them.

        Args:
            actor: who has access to the database.
            who: e-mail address or id of the user.

        Raises:
            TenantryError: ``NOT_FOUND``, there is no such user; ``CONFLICT``, two have the address.
        """
        return await self._db.run(_recovery_link, actor, email_address.normalise(who), write=True)

    def send_reset_link(self, actor: Actor, email: str) -> None:
        """Mail a link by which the password can be set, if somebody who has proved the address has an account with one.

        It is done beside the request: nobody learns from the answer, or how long it takes, whether there is.
        """
        self._errands.run("a link to set a password", self._send_reset_link(actor, email_address.normalise(email)))

    async def find_reset(self, token: str) -> User:
        """Whose password the token of a link sets.

        Raises:
            TenantryError: ``NOT_FOUND``, the link does not work.
        """
        return (await self._find_reset(token))[1]

    async def reset_password(self, actor: Actor, token: str, password: str, *, repeated: str | None = None) -> User:
        """Set the password of whose link it is, use the link up and end all their sessions.

        Raises:
            TenantryError: ``NOT_FOUND``, the link does not work; ``INVALID`` at ``password`` or ``repeated``.
        """
        link, user = await self._find_reset(token)
        hashed = await self._passwords.hash(password, about=(user.email, user.name), repeated=repeated)
        changed = await self._db.run(_reset, actor, link, user.id, hashed, write=True)
        await self.tell(changed, "Your password was changed. You were signed out everywhere.")
        return changed

    async def change_password(self, actor: Actor, current: str, new: str, *, repeated: str | None = None) -> User:
        """Set the actor's own password, and end all their sessions.

        Raises:
            TenantryError: ``INVALID`` at ``current``, ``password`` or ``repeated``.
        """
        wrong, hashed, about = FieldErrors(), "", ("", "")
        with wrong:
            user = await self._confirm_password(actor, current, "current")
            about = user.email, user.name
            if new == current:
                same = fielderrors.broken("password", "is the one that you have already")
                raise TenantryError(Code.INVALID, "the password is not a new one", [same])
        with wrong:
            hashed = await self._passwords.hash(new, about=about, repeated=repeated)
        wrong.refuse()
        changed = await self._db.run(_change, actor, user, hashed, write=True)
        await self.tell(changed, "Your password was changed. You were signed out everywhere else.")
        return changed

    async def confirm(self, actor: Actor, password: str) -> User:
        """The actor's own user, who has said their password again, or has none and signed in a moment ago.

        Who may do nothing before they have a second factor is not kept out by a provider that never tells when it
        asked: their session must have begun a moment ago.

        Raises:
            TenantryError: ``INVALID`` at ``password``; ``SIGN_IN_AGAIN``; ``TOO_MANY_REQUESTS``.
        """
        user = await self._db.run(users.get, actor.user_id)
        if user and not user.password_hash:
            await self._db.run(check_recent if actor.lacks_factor else check_fresh, actor)
            return user
        return await self._confirm_password(actor, password, "password")

    async def _confirm_password(self, actor: Actor, password: str, field: str) -> User:
        ticket = await self._throttle.admit(CONFIRMATIONS, actor.session_id)
        user = await self._db.run(users.get, actor.user_id)
        if not await self._passwords.verify(user.password_hash if user else "", password) or user is None:
            message = "Invalid value: is not your password"
            wrong = FieldError(field, FieldCode.INVALID, message)
            raise TenantryError(Code.INVALID, "the password is wrong", [wrong])
        await self._throttle.give_back(ticket)
        return user

    async def tell(self, user: User, news: str) -> None:
        """Mail ``user`` what has changed in how they sign in, or in what acts for them, but not without end."""
        try:
            await self._throttle.admit(NEWS, user.id)
        except TenantryError as error:
            if error.code is not Code.TOO_MANY_REQUESTS:
                raise
            return
        self._mail.send(user.email, "Your account has changed", _NEWS.format(news=news, url=self.link("/account")))

    async def _send_reset_link(self, actor: Actor, email: str) -> None:
        await self._throttle.admit(MAILS, f"{Purpose.PASSWORD} {email}")
        token = await self._db.run(_reset_link, actor, email, write=True)
        if token:
            text = _RESET.format(url=self.link(f"/password/reset/{token}"))
            self._mail.send(email, "Set a new password", text)

    async def _find_reset(self, token: str) -> tuple[Link, User]:
        link = await links.find(self._db, token, Purpose.PASSWORD, Purpose.RECOVERY)
        user = await self._db.run(users.get, link.user_id)
        if user is None or user.status is not UserStatus.ACTIVE:
            raise links.spent()
        return link, user


def _setup_link(unit: Unit, actor: Actor) -> str:
    if not users.is_empty(unit):
        raise TenantryError(
            Code.CONFLICT, "there are users already: tenantry admin recover EMAIL lets one of them in again"
        )
    token = links.make(unit, Purpose.SETUP)
    audit.append(unit, _event(actor, "setup-link.create", ""))
    return token


def _set_up(unit: Unit, actor: Actor, link: Link, user: User) -> User:
    links.redeem(unit, link)
    if not users.is_empty(unit):
        raise links.spent()
    users.insert(unit, user)
    audit.append(unit, _event(replace(actor, name=f"user:{user.id}"), "user.set-up", user.id, user.email))
    changes.announce(unit, notice(user), at=user.created_at)
    return user


def _recovery_link(unit: Unit, actor: Actor, who: str) -> str:
    known = users.with_address(unit, who)
    user = known[0] if known else users.get(unit, who)
    if user is None:
        raise TenantryError(Code.NOT_FOUND, f"there is no user {who}")
    if len(known) > 1:
        told = f"{known[0].id}, who has proved that it is theirs, and {known[1].id}, who has not"
        raise TenantryError(Code.CONFLICT, f"two users have the address: name one by the id: {told}")
    token = links.make(unit, Purpose.RECOVERY, user.id)
    audit.append(unit, _event(actor, "recovery-link.create", user.id, user.email))
    return token


def _reset_link(unit: Unit, actor: Actor, email: str) -> str:
    user = users.find(unit, email)
    if user is None or not user.password_hash or user.status is not UserStatus.ACTIVE:
        return ""
    token = links.make(unit, Purpose.PASSWORD, user.id)
    audit.append(unit, _event(actor, "reset-link.create", user.id, user.email))
    return token


def _reset(unit: Unit, actor: Actor, link: Link, user_id: str, hashed: str) -> User:
    links.redeem(unit, link)
    user = users.get(unit, user_id)
    if user is None or user.status is not UserStatus.ACTIVE:
        raise links.spent()
    forgive_passwords(unit, user.email, actor.ip)
    who = replace(actor, name=f"user:{user.id}", user_id=user.id, session_id="")  # whoever is signed in there
    notices: list[Notice] = []
    if link.purpose is Purpose.RECOVERY:  # whoever was in has nothing left by which to come back
        factors.remove(unit, user.id)
        notices = [*withdraw_access(unit, who, user.id), *withdraw_grants(unit, user.id)]
    user = replace(user, must_review=access_of(unit, user.id) != Held([], []))
    return _set_password(unit, who, user, hashed, "password.reset", *notices)


def _change(unit: Unit, actor: Actor, user: User, hashed: str) -> User:
    return _set_password(unit, actor, user, hashed, "password.change")


def _set_password(unit: Unit, actor: Actor, user: User, hashed: str, action: str, *told: Notice) -> User:
    link_rows.drop(unit, user.id)  # one of them would set yet another password
    return renew(unit, actor, replace(user, password_hash=hashed), action, *told)


def renew(unit: Unit, actor: Actor, user: User, action: str, *told: Notice) -> User:
    """Write ``user``, who proves who they are in another way from now on, and end all their sessions and tokens.

    Raises:
        TenantryError: as of :func:`end_sessions`.
    """
    audit.append(unit, _event(actor, action, user.id))
    return end_sessions(unit, actor, user, *told)


def end_sessions(unit: Unit, actor: Actor, user: User, *told: Notice) -> User:
    """Write ``user``, and end all their sessions and tokens.

    Args:
        unit: the write unit.
        actor: who asks for it.
        user: as they are to be, but for what counts the endings.
        told: what else tells the replicas of the unit.

    Raises:
        TenantryError: ``UNAUTHENTICATED``, the actor's session has ended; ``CONFLICT``, another has written the same
            user meanwhile.
    """
    check_session(unit, actor)
    now = max(ids.now_micros(), user.updated_at + 1)
    changed = replace(user, auth_version=user.auth_version + 1, updated_at=now)
    if not users.update(unit, changed, user):
        raise TenantryError(Code.CONFLICT, "the account was changed at the same moment: try again", raced=True)
    changes.announce(unit, notice(changed), *told, at=now)
    return changed


def _event(actor: Actor, action: str, user_id: str, message: str = "") -> AuditEvent:
    return event(actor, action, "User", user_id, at=ids.now_micros(), message=message)


def check_name(name: str) -> str:
    """The name of a person as it is kept, which may be empty.

    Raises:
        TenantryError: ``INVALID``.
    """
    name = name.strip()
    if len(name) <= _NAME and name.isprintable():
        return name
    message = f"Invalid value: must have at most {_NAME} printable characters"
    raise TenantryError(Code.INVALID, "the name is not valid", [FieldError("name", FieldCode.INVALID, message)])

"""What the authorization server keeps: codes, what people have granted, and the sign-ins of devices.

Authlib calls :class:`OAuthStore` in the middle of a request, so it is synchronous: :meth:`OAuth.transact` runs the
whole call in one transaction, with the audit rows of what it changes. That commits also when
the answer is an error, because what an error reveals (a code or refresh token that is used twice) takes tokens back.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from tenantry.model import ids
from tenantry.model.credentials import Prefix, new_token, split_token
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, Session, User, UserStatus
from tenantry.model.notice import Notice
from tenantry.model.oauth import (
    CODE,
    CODE_SECONDS,
    DEVICE,
    DEVICE_INTERVAL,
    DEVICE_SECONDS,
    GRACE_SECONDS,
    OFFLINE_GRANT_SECONDS,
    REFRESH,
    SESSION_GRANT_SECONDS,
    AuthCode,
    Consent,
    DeviceCode,
    OAuthClient,
    RefreshToken,
    Revocation,
    TokenFamily,
)
from tenantry.services.audit.log import event
from tenantry.services.encryption import Encryption
from tenantry.services.oauth.client_assertions import Assertion
from tenantry.services.standing import Standing, notice
from tenantry.services.withdrawal import end_tokens
from tenantry.storage import (
    audit,
    changes,
    codes,
    consents,
    devices,
    families,
    memberships,
    revocations,
    sessions,
    users,
)
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

T = TypeVar("T")

_SECOND = 1_000_000  # microseconds
#: the letters of a code that a person types: no vowels, so that it is no word, and few that look alike (RFC 8628, 6.1)
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person lets a client have, in all tenants together.

    ``places`` are the tenants in which it acts and the scopes that it has there, an empty one standing for none.
    ``expires_at`` is when it loses what it has now, 0 while it has nothing.
    """

    client_id: str
    places: dict[str, tuple[str, ...]]
    created_at: int  # epoch microseconds, as below
    expires_at: int


class OAuth:
    """The authorization server's state over one database."""

    def __init__(self, db: Database, standing: Standing, encryption: Encryption) -> None:
        self._db = db
        self._standing = standing
        self._encryption = encryption

    async def transact(self, actor: Actor, fn: Callable[[OAuthStore], T]) -> T:
        """What ``fn`` returns, in one write unit; it may run more than once.

        Raises:
            TenantryError: as :meth:`Database.run`.
        """

        def unit_of_work(unit: Unit) -> tuple[T, list[Notice]]:
            store = OAuthStore(unit, actor, self._encryption)
            result = fn(store)
            store.close()
            return result, store.notices

        result, notices = await self._db.run(unit_of_work, write=True)
        for each in notices:
            self._standing.forget(each.kind, each.name)  # who is answered now may ask here at once
        return result

    async def consent(self, session: Session, client: OAuthClient) -> Consent | None:
        """What the person of ``session`` lets the client have, where it would act now; None for nothing."""
        return await self._db.run(consents.get, session.user_id, client.id, tenant_of(client, session))

    async def grants(self, actor: Actor) -> list[Grant]:
        """What the actor's user lets clients have, ordered by client."""
        return await self._db.run(_grants, actor.user_id)

    async def withdraw(self, actor: Actor, client_id: str) -> None:
        """Take back all that the actor's user lets a client have, and every token that it has.

        Raises:
            TenantryError: ``NOT_FOUND``, there is nothing.
        """
        await self.transact(actor, lambda store: store.withdraw(client_id))

    async def find_device(self, user_code: str) -> DeviceCode | None:
        """The sign-in that waits for a person with that code, in any spelling; None when none does."""
        letters = [letter for letter in user_code.upper() if letter in USER_CODE_LETTERS]
        if len(letters) != 8 or len(user_code) > 20:  # noqa: PLR2004 - as it is made
            return None
        found = await self._db.run(devices.find, "".join(letters))
        return found if found and not found.decided_at and found.expires_at > ids.now_micros() else None

    async def family_of(self, token: str) -> TokenFamily | None:
        """The family of a refresh token that would be taken now."""
        return await self._db.run(_family_of, token)

    async def forget_expired(self) -> None:
        """Remove what is of no use any more; one replica does it."""
        now = ids.now_micros()
        for kept in (codes, devices, families, revocations):
            while await self._db.run(kept.forget_expired, now, _BATCH, write=True):
                pass


class OAuthStore:
    """The same within one transaction; everything is ours and is given as objects of the model."""

    def __init__(self, unit: Unit, actor: Actor, encryption: Encryption) -> None:
        self._unit = unit
        self._actor = actor
        self._encryption = encryption
        self.notices: list[Notice] = []
        self.now = ids.now_micros()

    def close(self) -> None:
        """Tell all replicas what was taken back: the last act of the unit."""
        if self.notices:
            changes.announce(self._unit, *self.notices, at=self.now)

    def spend(self, assertion: Assertion) -> bool:
        """Note that a client has proved itself with ``assertion``; False when that was done before."""
        return revocations.add(self._unit, Revocation(id=assertion.id, expires_at=assertion.expires_at))

    # authorization codes

    def allow(self, session: Session, client: OAuthClient, scopes: tuple[str, ...]) -> None:
        """Note that the person of ``session`` lets the client have ``scopes`` too, where it acts."""
        place = tenant_of(client, session)
        known = consents.get(self._unit, session.user_id, client.id, place)
        together = tuple(dict.fromkeys([*(known.scopes if known else ()), *scopes]))
        if known and known.scopes == together:
            return
        consent = Consent(
            user_id=session.user_id,
            client_id=client.id,
            tenant_id=place,
            scopes=together,
            created_at=known.created_at if known else self.now,
            updated_at=self.now,
        )
        consents.put(self._unit, consent)
        self._note("consent.give", client.id, " ".join(scopes))

    def add_code(  # noqa: PLR0913 - the parts of a request
        self,
        session: Session,
        client: OAuthClient,
        scopes: tuple[str, ...],
        *,
        redirect_uri: str,
        challenge: str,
        nonce: str,
    ) -> str:
        """A fresh code for who has signed in with ``session``."""
        token, identifier, secret_sha = new_token(CODE)
        code = AuthCode(
            id=identifier,
            secret_sha=secret_sha,
            family_id=ids.uuid7(),
            client_id=client.id,
            user_id=session.user_id,
            session_id=session.id,
            tenant_id=tenant_of(client, session),
            redirect_uri=redirect_uri,
            scopes=scopes,
            challenge=challenge,
            nonce=nonce,
            amr=session.amr,
            auth_time=session.auth_time,
            auth_version=session.auth_version,
            created_at=self.now,
            expires_at=self.now + CODE_SECONDS * _SECOND,
        )
        codes.insert(self._unit, code)
        return token

    def find_code(self, token: str, client_id: str) -> AuthCode | None:
        """The code, if it is the client's and can be redeemed. One that was redeemed takes its tokens back."""
        code = _checked(codes.get, self._unit, token, CODE)
        if code is None or code.client_id != client_id:
            return None
        if code.redeemed_at:
            self.revoke_family(code.family_id, "the authorization code was used twice")
            return None
        return code if code.expires_at > self.now else None

    def redeem_code(self, code: AuthCode, client: OAuthClient) -> TokenFamily | None:
        """What the code stands for, once; whoever comes second takes all of it back."""
        if not codes.redeem(self._unit, code.id, self.now):
            self.revoke_family(code.family_id, "the authorization code was used twice")
            return None
        offline = "offline_access" in code.scopes
        family = TokenFamily(
            id=code.family_id,
            client_id=code.client_id,
            user_id=code.user_id,
            session_id=code.session_id,
            tenant_id=code.tenant_id,
            scopes=code.scopes,
            amr=code.amr,
            auth_time=code.auth_time,
            auth_version=code.auth_version,
            created_at=self.now,
            expires_at=self.now + (OFFLINE_GRANT_SECONDS if offline else SESSION_GRANT_SECONDS) * _SECOND,
        )
        session = sessions.get(self._unit, code.session_id)
        return self._begin(family, client) if session and not session.revoked_at else None

    # refresh tokens

    def new_refresh_token(self, family: TokenFamily) -> str:
        """A fresh refresh token of ``family``."""
        token, identifier, secret_sha = new_token(REFRESH)
        families.add_token(
            self._unit,
            RefreshToken(id=identifier, family_id=family.id, secret_sha=secret_sha, created_at=self.now),
        )
        return token

    def find_refresh_token(self, token: str, client_id: str) -> tuple[RefreshToken, TokenFamily] | None:
        """The refresh token and its family, if that is the client's and good."""
        found = _checked(families.token, self._unit, token, REFRESH)
        family = families.get(self._unit, found.family_id) if found else None
        if not found or not family or family.client_id != client_id or not _is_good(self._unit, family, self.now):
            return None
        return found, family

    def rotate(self, token: RefreshToken, family: TokenFamily) -> str | None:
        """The successor of ``token``; whoever uses it twice takes the family back.

        For 10 seconds the token gets the same successor again, unless that was used meanwhile: an answer may be lost on
        its way, and two windows of a browser may ask at a time. So there is one line of tokens and no tree.
        """
        successor, identifier, secret_sha = new_token(REFRESH)
        sealed = self._encryption.encrypt(successor.encode(), _context(token.id))
        if families.use_token(self._unit, token.id, self.now, sealed):
            families.add_token(
                self._unit,
                RefreshToken(id=identifier, family_id=family.id, secret_sha=secret_sha, created_at=self.now),
            )
            return successor
        used = families.token(self._unit, token.id)
        if used and self.now - used.used_at <= GRACE_SECONDS * _SECOND:
            known = self._encryption.decrypt(used.successor, _context(used.id)).decode()
            next_token = _checked(families.token, self._unit, known, REFRESH)
            if next_token and not next_token.used_at:
                return known
        self.revoke_family(family.id, "the refresh token was used twice")
        return None

    def revoke_refresh_token(self, token: str, client_id: str) -> bool:
        """Take back the family of a refresh token; False when it is another client's."""
        found = _checked(families.token, self._unit, token, REFRESH)
        family = families.get(self._unit, found.family_id) if found else None
        if family and family.client_id != client_id:
            return False
        if family:
            self.revoke_family(family.id, "the client gave it back")
        return True

    def revoke_access_token(self, jti: str, expires_at: int) -> None:
        """Take back one access token; ``expires_at`` in epoch microseconds."""
        revocation = Revocation(id=jti, expires_at=expires_at)
        if revocations.add(self._unit, revocation):
            self._note("token.revoke", jti)
            self.notices.append(notice(revocation))

    def revoke_family(self, family_id: str, why: str) -> None:
        """Take back the family with every token of it."""
        if families.revoke(self._unit, family_id, self.now):
            self._note("token-family.revoke", family_id, why, family=families.get(self._unit, family_id))
            self.notices.append(end_tokens(self._unit, family_id, self.now))

    def withdraw(self, client_id: str) -> None:
        """Take back all that the actor's user lets the client have."""
        known = consents.delete(self._unit, self._actor.user_id, client_id)
        codes.delete_for(self._unit, self._actor.user_id, client_id)  # before the families, as in withdrawal.py
        devices.delete_for(self._unit, self._actor.user_id, client_id)
        for family in families.of_user(self._unit, self._actor.user_id):
            if family.client_id == client_id:
                known = True
                self.revoke_family(family.id, "the user took it back")
        if not known:
            raise TenantryError(Code.NOT_FOUND, f'the client "{client_id}" has nothing of yours')
        self._note("consent.withdraw", client_id)

    # devices

    def add_device(self, client_id: str, scopes: tuple[str, ...]) -> tuple[str, DeviceCode]:
        """A sign-in that waits for a person, and the device's code for it."""
        token, identifier, secret_sha = new_token(DEVICE)
        device = DeviceCode(
            id=identifier,
            secret_sha=secret_sha,
            user_code="".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8)),
            family_id=ids.uuid7(),
            client_id=client_id,
            scopes=scopes,
            ip=self._actor.ip,
            created_at=self.now,
            expires_at=self.now + DEVICE_SECONDS * _SECOND,
        )
        devices.insert(self._unit, device)
        return token, device

    def find_device(self, token: str, client_id: str) -> DeviceCode | None:
        """The sign-in that the device waits for, if it is the client's. One that has ended takes its tokens back."""
        device = _checked(devices.get, self._unit, token, DEVICE)
        if device is None or device.client_id != client_id:
            return None
        if device.redeemed_at:
            self.revoke_family(device.family_id, "the device code was used twice")
            return None
        return device

    def is_too_soon(self, device: DeviceCode) -> bool:
        """Note that the device asks; whether it did not wait as it must, and so must wait longer from now on."""
        too_soon = self.now - device.polled_at < device.interval * _SECOND
        interval = device.interval + DEVICE_INTERVAL if too_soon else device.interval
        devices.note_poll(self._unit, device.id, self.now, interval)
        return too_soon

    def decide_device(self, device: DeviceCode, client: OAuthClient, session: Session, *, yes: bool) -> bool:
        """Write what the person of ``session`` told ``client``; False when that was done before, or it is too late."""
        decided = replace(device, decided_at=self.now)
        if yes:
            decided = replace(
                decided,
                user_id=session.user_id,
                tenant_id=tenant_of(client, session),
                amr=session.amr,
                auth_time=session.auth_time,
                auth_version=session.auth_version,
            )
        done = devices.decide(self._unit, decided)
        if done:
            self._note("device.allow" if yes else "device.deny", device.client_id, f"asked from {device.ip}")
        if done and yes:
            self.allow(session, client, device.scopes)
        return done

    def redeem_device(self, device: DeviceCode, client: OAuthClient) -> TokenFamily | None:
        """What the person has granted to the device, once; whoever comes second takes it back."""
        if not devices.redeem(self._unit, device.id, self.now):
            self.revoke_family(device.family_id, "the device code was used twice")
            return None
        family = TokenFamily(
            id=device.family_id,
            client_id=device.client_id,
            user_id=device.user_id,
            session_id="",
            tenant_id=device.tenant_id,
            scopes=device.scopes,
            amr=device.amr,
            auth_time=device.auth_time,
            auth_version=device.auth_version,
            created_at=self.now,
            expires_at=self.now + OFFLINE_GRANT_SECONDS * _SECOND,
        )
        return self._begin(family, client)

    def _begin(self, family: TokenFamily, client: OAuthClient) -> TokenFamily | None:
        if _user_of(self._unit, family) is None or not self._has_place(family, client):
            return None
        families.insert(self._unit, family)
        self._note("token-family.begin", family.id, f"{family.user_id}: {' '.join(family.scopes)}", family=family)
        return family

    def _has_place(self, family: TokenFamily, client: OAuthClient) -> bool:
        """Whether who has granted ``family`` is still a member where it acts.

        Their codes go with their place, but for one that is made at that very moment. A tenant's own client tells who
        strangers are, too; there its tokens let them do nothing.
        """
        place = family.tenant_id
        return place in {"", client.tenant_id} or memberships.get(self._unit, place, family.user_id) is not None

    def _note(self, action: str, name: str, message: str = "", *, family: TokenFamily | None = None) -> None:
        """Write what is done; what is about a grant stands in the log of the tenant that it reaches into."""
        kinds = {"consent": "Consent", "token": "AccessToken", "token-family": "TokenFamily", "device": "DeviceCode"}
        who = self._actor
        if family:
            who = replace(who, user_id=family.user_id, tenant_id=family.tenant_id)
        kind = kinds[action.partition(".")[0]]
        audit.append(self._unit, event(who, action, kind, name, at=self.now, message=message))


Kept = TypeVar("Kept", AuthCode, RefreshToken, DeviceCode)


def _checked(get: Callable[[Unit, str], Kept | None], unit: Unit, token: str, prefix: Prefix) -> Kept | None:
    """What ``token`` stands for, if it is well-formed, known, and its secret is right."""
    parts = split_token(token, prefix)
    found = get(unit, parts[0]) if parts else None
    return found if parts and found and hmac.compare_digest(found.secret_sha, parts[1]) else None


def _grants(unit: Unit, user_id: str) -> list[Grant]:
    now, ends = ids.now_micros(), dict[str, int]()
    for family in families.of_user(unit, user_id):
        if _is_good(unit, family, now):
            ends[family.client_id] = max(family.expires_at, ends.get(family.client_id, 0))
    found: dict[str, Grant] = {}
    for each in consents.of_user(unit, user_id):
        known = found.get(each.client_id)
        places = {**(known.places if known else {}), each.tenant_id: each.scopes}
        since = known.created_at if known else each.created_at
        found[each.client_id] = Grant(each.client_id, places, since, ends.get(each.client_id, 0))
    return list(found.values())


def _family_of(unit: Unit, token: str) -> TokenFamily | None:
    found = _checked(families.token, unit, token, REFRESH)
    family = families.get(unit, found.family_id) if found and not found.used_at else None
    return family if family and _is_good(unit, family, ids.now_micros()) else None


def _is_good(unit: Unit, family: TokenFamily, now: int) -> bool:
    if family.revoked_at or family.expires_at <= now or _user_of(unit, family) is None:
        return False
    session = sessions.get(unit, family.ends_with) if family.ends_with else None
    return not family.ends_with or (session is not None and not session.revoked_at)


def _user_of(unit: Unit, family: TokenFamily) -> User | None:
    """Who has granted ``family``, as long as that counts."""
    user = users.get(unit, family.user_id)
    counts = user and user.status is UserStatus.ACTIVE and user.auth_version == family.auth_version
    return user if counts else None


def tenant_of(client: OAuthClient, session: Session) -> str:
    """The tenant that a person's tokens act in: the one that is active, but a tenant's client reaches into no other."""
    return client.tenant_id or session.tenant_id


def _context(token_id: str) -> str:
    return f"refresh token:{token_id}"

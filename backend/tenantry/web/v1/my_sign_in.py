"""How people sign in, for themselves, below ``/v1/me``: their sessions, their password, their second factor."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from tenantry.model import user_agent
from tenantry.model.fields import Model, View
from tenantry.model.identity import Session
from tenantry.model.permissions import Permission
from tenantry.model.resource import timestamp
from tenantry.services.people.factors import State
from tenantry.services.people.sign_in import BY_APP
from tenantry.web.v1.conventions import Call, Nothing, Reply, endpoint

_SESSIONS, _PASSWORD, _MFA = "/v1/me/sessions", "/v1/me/password", "/v1/me/mfa"

Secret = Annotated[str, Field(max_length=1024)]


class SessionView(View):
    """A browser that the caller is signed in with."""

    id: str
    """Identity."""
    current: bool
    """Whether the request comes from it."""
    browser: str
    """What it is, as far as it tells: `Firefox on Windows`."""
    ip: str
    """Where it signed in from."""
    methods: list[str]
    """How the person has signed in (RFC 8176): `pwd`, `otp`, ..."""
    signed_in_at: str
    """When it signed in, as RFC 3339."""
    last_seen_at: str
    """When it was used last, to the minute."""
    ends_at: str
    """When it ends unless it is used before."""


class SessionList(View):
    """Browsers that the caller is signed in with, the newest first."""

    items: list[SessionView]
    """The sessions."""


class PasswordBody(Model):
    """A new password."""

    current: Secret
    """The one that is to be replaced."""
    password: Secret
    """The new one: at least 8 characters, at most 1,024 bytes."""


class Confirmation(Model):
    """The caller's password, once more."""

    password: Secret
    """The password."""


class FirstCode(Model):
    """What proves that the app knows the secret."""

    code: Annotated[str, Field(max_length=16)]
    """The six digits that it shows now."""


class MfaView(View):
    """Whether the caller has a second factor."""

    enabled: bool
    """Whether signing in takes a code beside the password."""
    since: str | None = None
    """Since when, as RFC 3339."""
    recovery_codes_left: int
    """Recovery codes that were not used yet."""


class EnrolmentView(View):
    """What an authenticator app must be told."""

    secret: str
    """In base32, to type by hand."""
    uri: str
    """The same as an `otpauth:` URI, to show as a QR code."""


class RecoveryCodes(View):
    """What signs in once each when the app is lost."""

    recovery_codes: list[str]
    """The codes. They are shown this once."""


async def list_sessions(call: Call[Nothing, Nothing]) -> Reply:
    """List the browsers that one is signed in with."""
    return await _sessions(call)


async def end_session(call: Call[Nothing, Nothing]) -> Reply:
    """Sign a browser out.

    Another one than that which asks takes a sign-in of the last five minutes (`sign_in_again`), or a session of the
    last five where the identity provider does not tell when it asked. Every replica refuses it within a second. The
    answer is the list of those that are left.
    """
    await call.services.sessions.end(call.actor, call.path["session"])
    return replace(await _sessions(call), signed_out=call.path["session"] == call.actor.session_id)


async def change_password(call: Call[Nothing, PasswordBody]) -> Reply:
    """Change one's password.

    Every other session ends, and this one gets another cookie, and so another CSRF token.
    """
    user = await call.services.accounts.change_password(call.actor, call.body.current, call.body.password)
    signed_in = await call.services.sign_in.renew(call.actor, user)
    return Reply(body="{}", session=signed_in.session.cookie)


async def get_mfa(call: Call[Nothing, Nothing]) -> Reply:
    """Tell whether one has a second factor."""
    return Reply(body=_mfa(await call.services.factors.state(call.actor.user_id)))


async def enrol_mfa(call: Call[Nothing, Confirmation]) -> Reply:
    """Begin with an authenticator app.

    It counts once `/v1/me/mfa:confirm` has got a code of it, in this session and within ten minutes. To begin again
    forgets what was begun before.
    """
    begun = await call.services.factors.enrol(call.actor, call.body.password)
    return Reply(body=EnrolmentView(secret=begun.secret, uri=begun.uri))


async def confirm_mfa(call: Call[Nothing, FirstCode]) -> Reply:
    """Let the app count from now on.

    Every other session ends, and this one gets another cookie, and so another CSRF token.
    """
    confirmed = await call.services.factors.confirm(call.actor, call.body.code)
    signed_in = await call.services.sign_in.renew(call.actor, confirmed.user, proved=BY_APP)
    return Reply(body=RecoveryCodes(recovery_codes=list(confirmed.recovery_codes)), session=signed_in.session.cookie)


async def disable_mfa(call: Call[Nothing, Confirmation]) -> Reply:
    """Go back to the password alone.

    Every other session ends, and this one gets another cookie, and so another CSRF token.
    """
    user = await call.services.factors.disable(call.actor, call.body.password)
    signed_in = await call.services.sign_in.renew(call.actor, user, gone=BY_APP)
    return Reply(body=_mfa(State()), session=signed_in.session.cookie)


async def _sessions(call: Call[Nothing, Nothing]) -> Reply:
    found = await call.services.sessions.list(call.actor)
    return Reply(body=SessionList(items=[_view(session, call.actor.session_id) for session in found]))


def _view(session: Session, current: str) -> SessionView:
    return SessionView(
        id=session.id,
        current=session.id == current,
        browser=user_agent.describe(session.user_agent),
        ip=session.ip,
        methods=list(session.amr),
        signed_in_at=timestamp(session.created_at),
        last_seen_at=timestamp(session.last_seen_at),
        ends_at=timestamp(session.ends_at()),
    )


def _mfa(state: State) -> MfaView:
    since = timestamp(state.since) if state.since else None
    return MfaView(enabled=bool(state.since), since=since, recovery_codes_left=state.codes_left)


_SELF = Permission.SELF
ROUTES = [
    endpoint("GET", _SESSIONS, list_sessions, needs=_SELF, answer=SessionList),
    endpoint("DELETE", f"{_SESSIONS}/{{session}}", end_session, needs=_SELF, answer=SessionList),
    endpoint("POST", _PASSWORD, change_password, needs=_SELF, answer=Nothing, body=PasswordBody),
    endpoint("GET", _MFA, get_mfa, needs=_SELF, answer=MfaView),
    endpoint("POST", f"{_MFA}:enrol", enrol_mfa, needs=_SELF, answer=EnrolmentView, body=Confirmation),
    endpoint("POST", f"{_MFA}:confirm", confirm_mfa, needs=_SELF, answer=RecoveryCodes, body=FirstCode),
    endpoint("POST", f"{_MFA}:disable", disable_mfa, needs=_SELF, answer=MfaView, body=Confirmation),
]

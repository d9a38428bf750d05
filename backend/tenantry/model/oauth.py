"""OAuth 2: who may ask for tokens, the keys that sign them, and what a token says."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tenantry.model.credentials import Prefix, split_token
from tenantry.model.permissions import MEANINGS, OF_THE_PLATFORM, SCOPES, permissions_for


class GrantType(StrEnum):
    """How a client comes to a token (RFC 6749, RFC 8628)."""

    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a name of the RFC
    CLIENT_CREDENTIALS = "client_credentials"
    DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


class ClientKind(StrEnum):
    """Whether a client can keep a secret (RFC 6749, 2.1)."""

    CONFIDENTIAL = "Confidential"
    PUBLIC = "Public"


#: scope of OpenID Connect -> what it lets the client know or do, for the page that asks for consent
IDENTITY_SCOPES = {
    "openid": "Know who you are",
    "profile": "See your name",
    "email": "See your e-mail address",
    "offline_access": "Keep its access after you have signed out",
}
#: all scopes that a token may have
ALL_SCOPES = (*IDENTITY_SCOPES, *SCOPES)

#: what each credential begins with
CLIENT_SECRET, CODE, REFRESH, DEVICE = Prefix.CLIENT_SECRET, Prefix.CODE, Prefix.REFRESH, Prefix.DEVICE

#: an address of this machine without its port (a native app takes a free one)
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(/[^\s#]*)?")

#: seconds that an access token is good for: a person's, a client's own
USER_TOKEN_SECONDS, CLIENT_TOKEN_SECONDS = 900, 300
#: of a code, and of a grant that ends with the session or goes on without it
CODE_SECONDS = 60
SESSION_GRANT_SECONDS, OFFLINE_GRANT_SECONDS = 12 * 3600, 30 * 86_400
#: how long the refresh token before the current one gets the current one again
GRACE_SECONDS = 10
DEVICE_SECONDS, DEVICE_INTERVAL = 600, 5


def meaning_of(scope: str) -> str:
    """What ``scope`` lets a client do, for people."""
    if scope in IDENTITY_SCOPES:
        return IDENTITY_SCOPES[scope]
    return "; ".join(MEANINGS[permission] for permission in MEANINGS if permission in SCOPES[scope])


def meanings_of(scopes: Iterable[str], tenant_id: str) -> list[str]:
    """All that a person lets a client do by ``scopes``, for people: in that tenant, or in none when it is empty."""
    granted = permissions_for(scopes, tenant_id)
    where = "" if tenant_id else " (on the whole platform)"
    return [
        *(meaning for scope, meaning in IDENTITY_SCOPES.items() if scope in scopes),
        *(f"{meaning}{where}" for permission, meaning in MEANINGS.items() if permission in granted),
    ]


def lifetime_of(scopes: Iterable[str]) -> str:
    """How long a client has what a person grants it at a browser, for people."""
    if "offline_access" in scopes:
        return f"for {OFFLINE_GRANT_SECONDS // 86_400} days, also when you have signed out"
    return f"until you sign out, {SESSION_GRANT_SECONDS // 3600} hours at most"


def scopes_for(tenant_id: str) -> tuple[str, ...]:
    """The scopes that a client of that tenant, or of the platform when empty, may be given."""
    return tuple(scope for scope in ALL_SCOPES if not tenant_id or scope not in OF_THE_PLATFORM)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A program that may ask for tokens.

    Args:
        id: the ``client_id``.
        name: for people; the page that asks for consent shows it.
        tenant_id: whose it is; empty for the platform's.
        kind: whether it can keep a secret.
        redirect_uris: matched exactly, but for the port of a loopback address (RFC 8252, 7.3).
        post_logout_uris: where a browser may go after it was signed out.
        grant_types: what it may use.
        scopes: what its tokens may have at most.
        jwks: its public keys as a JSON Web Key Set, for ``private_key_jwt``; empty for none.
        cluster: registered name of the cluster whose ServiceAccount tokens are its assertions in their place.
        subject: of those tokens (``system:serviceaccount:<namespace>:<name>``); both are empty for none.
        given: the platform has given it that workload, while the namespace was nobody's.
        first_party: one of ours: nobody is asked for consent, as long as it is sure which program it is.
        disabled: it gets no token, and those that it has do not work.
    """

    id: str
    name: str
    tenant_id: str = ""
    kind: ClientKind = ClientKind.CONFIDENTIAL
    redirect_uris: tuple[str, ...] = ()
    post_logout_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    jwks: str = ""
    cluster: str = ""
    subject: str = ""
    given: bool = False
    first_party: bool = False
    disabled: bool = False
    created_by: str = ""
    created_at: int = 0  # epoch microseconds, as all below
    updated_at: int = 0

    @property
    def is_public(self) -> bool:
        """Whether it cannot keep a secret."""
        return self.kind is ClientKind.PUBLIC

    @property
    def asserts(self) -> bool:
        """Whether it proves itself with a JWT, and needs no secret."""
        return bool(self.jwks or self.subject)

    def is_assured(self, redirect_uri: str) -> bool:
        """Whether no other program can take what is sent to ``redirect_uri`` and redeem it.

        Any program on a device can listen on loopback or take an app's own scheme (RFC 8252, 8.6); an ``https`` address
        is its owner's alone.
        """
        return not self.is_public or redirect_uri.startswith("https:")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """One of a client's secrets, kept as its SHA-256; several work at a time, so that one can replace another."""

    id: str
    client_id: str
    secret_sha: str  # hex
    created_at: int = 0
    expires_at: int = 0  # 0: never


@dataclass(frozen=True, slots=True)
class Registered:
    """A client with all its secrets."""

    client: OAuthClient
    secrets: tuple[ClientSecret, ...] = ()

    def has_secret(self, secret: str, now: int) -> bool:
        """Whether it is one of those that work at that time, in epoch microseconds."""
        parts = split_token(secret, CLIENT_SECRET)
        return parts is not None and any(
            each.id == parts[0]
            and hmac.compare_digest(each.secret_sha, parts[1])
            and (not each.expires_at or now < each.expires_at)
            for each in self.secrets
        )


#: the command line: known to every server, registered in no database
CLI = OAuthClient(
    id="tenantry-cli",
    name="Tenantry command line",
    kind=ClientKind.PUBLIC,
    redirect_uris=("http://127.0.0.1/callback", "http://[::1]/callback"),
    grant_types=(GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN, GrantType.DEVICE_CODE),
    scopes=tuple(scope for scope in ALL_SCOPES if scope != "platform:reconcile"),
    first_party=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that signs tokens. Which one signs is a matter of time alone: the last whose ``active_from`` has come."""

    id: str  # kid
    alg: str  # RS256 or ES256
    private: str  # the JWK, encrypted
    created_at: int = 0
    active_from: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A token (its ``jti``), or a grant with all its tokens, that was taken back; kept until none of them is left."""

    id: str
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What a verified access token says.

    Args:
        jti: its identity.
        client_id: who asked for it.
        user_id: for whom; empty for the client itself.
        tenant_id: the tenant that it acts in, if any.
        scopes: what it may be used for.
        session_id: the browser session that it ends with, if any.
        grant_id: the family of refresh tokens that it belongs to; empty without any.
        auth_version: of the user when they signed in.
        amr: how they had proved who they are (RFC 8176).
        issued: epoch seconds.
        expires: epoch seconds.
        kid: of the key that signed it.
    """

    jti: str
    client_id: str
    user_id: str
    tenant_id: str
    scopes: frozenset[str]
    session_id: str
    grant_id: str
    auth_version: int
    amr: tuple[str, ...]
    issued: float
    expires: float
    kid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFamily:
    """What a person has granted to a client once: all the tokens that follow from it.

    Args:
        id: identity; the ``gid`` of its access tokens.
        client_id: to whom.
        user_id: by whom.
        session_id: the browser session that it was given in; empty for a device.
        tenant_id: the tenant that its tokens act in, if any.
        scopes: what for.
        amr: how the person had proved who they are (RFC 8176).
        auth_time: when; it stays that when tokens are refreshed.
        auth_version: of the user then.
        revoked_at: 0 while it is good.
    """

    id: str
    client_id: str
    user_id: str
    session_id: str
    tenant_id: str
    scopes: tuple[str, ...]
    amr: tuple[str, ...]
    auth_time: int
    auth_version: int
    created_at: int = 0
    expires_at: int = 0
    revoked_at: int = 0

    @property
    def ends_with(self) -> str:
        """The session that it ends with; empty when it outlives that."""
        return "" if "offline_access" in self.scopes else self.session_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthCode:
    """An authorization code, of which only the SHA-256 is kept; it is redeemed once."""

    id: str
    secret_sha: str  # hex
    family_id: str  # of the tokens that it is redeemed for
    client_id: str
    user_id: str
    session_id: str  # that it was given in
    tenant_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str  # of PKCE, S256
    nonce: str
    amr: tuple[str, ...]
    auth_time: int
    auth_version: int
    created_at: int = 0
    expires_at: int = 0
    redeemed_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A refresh token, kept as its SHA-256. ``successor`` is the next one, encrypted, once it was used."""

    id: str
    family_id: str
    secret_sha: str  # hex
    created_at: int = 0
    used_at: int = 0
    successor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """A sign-in that a device without a browser waits for (RFC 8628).

    Args:
        id: first part of the device's code.
        secret_sha: of its secret, in hex.
        user_code: what the person types.
        family_id: of the tokens that it is redeemed for.
        client_id: what asks.
        scopes: what for.
        ip: where from.
        interval: seconds that the device must wait between two questions.
        polled_at: when it asked last.
        decided_at: when the person said yes or no; 0 while they have not.
        user_id: who said yes; empty for no.
    """

    id: str
    secret_sha: str
    user_code: str
    family_id: str
    client_id: str
    scopes: tuple[str, ...]
    ip: str
    interval: int = DEVICE_INTERVAL
    created_at: int = 0
    expires_at: int = 0
    polled_at: int = 0
    decided_at: int = 0
    redeemed_at: int = 0
    user_id: str = ""
    tenant_id: str = ""
    amr: tuple[str, ...] = ()
    auth_time: int = 0
    auth_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a person lets a client have in a tenant, or without any when that is empty, until they take it back."""

    user_id: str
    client_id: str
    tenant_id: str
    scopes: tuple[str, ...]
    created_at: int = 0
    updated_at: int = 0


def matches_redirect(uri: str, registered: Iterable[str]) -> bool:
    """Whether ``uri`` is one of ``registered`` to the letter, but for the port on loopback (RFC 8252, 7.3)."""
    loopback = _LOOPBACK.fullmatch(uri)
    for each in registered:
        known = _LOOPBACK.fullmatch(each)
        if uri == each or (loopback and known and loopback.groups() == known.groups()):
            return True
    return False

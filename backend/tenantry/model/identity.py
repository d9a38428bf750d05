"""Who acts: users and their memberships and sessions, the keys of machines, and the actor that a request has."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tenantry.model.permissions import ROLES, Permission, Role, permissions_of
from tenantry.model.rate import Rate

#: name of the actor for what nobody has asked for, as invites and the audit log have it
WORKER = "worker"
#: what :attr:`Permission.SELF` holds, too
_OF_A_PERSON = frozenset({Permission.AUTHENTICATED, Permission.SIGNED_IN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The authenticated caller of one request.

    Args:
        name: stable, as the audit log has it: ``user:<id>``, ``key:<id>``, ``client:<id>``,
            ``serviceaccount:<cluster>:<namespace>:<name>``, ``service-account:<id>``, ``local-admin``.
        groups: as Kubernetes' reviews tell them.
        scopes: what the credential carries.
        permissions: what it may do now: role, scopes and state of the tenant together.
        tenant_id: the tenant that it acts in; such an actor sees that tenant and nothing else. Empty for the platform,
            and for a person who has chosen no tenant (and so has no permission that would need one).
        role: the person's role in that tenant.
        user_id: the person, whether they come themselves or through a client or key that acts for them.
        session_id: the browser session that it comes from.
        client_id: the OAuth client that acts.
        suspended: why little or nothing passes: the tenant is suspended. The reason, for people.
        rate: how often the credentials of the tenant may ask together, if its plan says so.
        cluster: the registered name of the cluster whose key set verified the token, if one did.
        namespace: that of the ServiceAccount there.
        request_id: of the request that it is acting in.
        ip: where that came from.
    """

    name: str
    groups: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    permissions: frozenset[Permission] = frozenset()
    tenant_id: str = ""
    role: Role | None = None
    user_id: str = ""
    session_id: str = ""
    client_id: str = ""
    suspended: str = ""
    rate: Rate | None = None
    cluster: str = ""
    namespace: str = ""
    request_id: str = ""
    ip: str = ""

    @property
    def on_behalf_of(self) -> str:
        """The name of the person for whom it acts, empty for none and for themselves."""
        person = f"user:{self.user_id}" if self.user_id else ""
        return "" if person == self.name else person

    @property
    def lacks_factor(self) -> bool:
        """Whether it is a person who is signed in without the second factor that they must have."""
        return self.may(Permission.SIGNED_IN) and not self.may(Permission.SELF)

    def may(self, permission: Permission) -> bool:
        """Whether this actor holds ``permission``; a person who is wholly signed in is so, by a valid credential."""
        if permission is Permission.PUBLIC or permission in self.permissions:
            return True
        return permission in _OF_A_PERSON and Permission.SELF in self.permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A stored key. The secret itself is shown once and kept only as its SHA-256."""

    id: str
    name: str
    secret_sha: str  # hex
    scopes: tuple[str, ...]
    owner: str  # an actor's name: whom it acts as. A user's key acts with that user's role; empty for itself
    tenant_id: str = ""
    created_by: str = ""
    created_at: int = 0
    expires_at: int = 0  # 0: never
    revoked_at: int = 0  # 0: not revoked
    last_used_at: int = 0
    allowed_cidrs: tuple[str, ...] = field(default=())


class UserStatus(StrEnum):
    """Whether a user may sign in."""

    ACTIVE = "Active"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person. ``auth_version`` counts what ends all their sessions and tokens: a new password, a recovery.

    An address counts for something only when it is verified: a link that went there and nowhere else was used, or an
    identity provider has said so. Until then it is a word to sign in by, which two users may share if one of them has
    proved that it is theirs.
    """

    id: str  # UUIDv7
    email: str  # lower case, unique among the verified, and among the others
    email_verified: bool = False
    name: str = ""  # for people
    password_hash: str = ""  # argon2id in PHC form; empty: signs in elsewhere only
    status: UserStatus = UserStatus.ACTIVE
    platform_admin: bool = False
    auth_version: int = 1
    created_at: int = 0  # epoch microseconds, as all below
    updated_at: int = 0
    last_sign_in_at: int = 0
    must_review: bool = False  # what else lets anybody act as them: a new password by mail has left it as it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A user's place in a tenant. ``source`` tells how it came to be: ``invite``, ``sign-up``, ``platform``."""

    tenant_id: str
    user_id: str
    role: Role
    source: str = ""
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A program with rights of its own: in a tenant those of a role, for the platform those of scopes.

    It acts by keys, and as the Kubernetes ServiceAccount ``subject`` of a registered cluster, if it has one. One of a
    tenant is so for as long as the tenant has the namespace, or is ``given``: by the platform, while nobody had it.
    """

    id: str  # UUIDv7
    tenant_id: str  # empty: of the platform
    name: str  # unique in the tenant
    role: Role | None = None
    scopes: tuple[str, ...] = ()
    status: UserStatus = UserStatus.ACTIVE
    cluster: str = ""
    subject: str = ""  # system:serviceaccount:<namespace>:<name>
    given: bool = False
    created_by: str = ""
    created_at: int = 0  # epoch microseconds, as below
    updated_at: int = 0

    def permissions(self) -> frozenset[Permission]:
        """What it may do in an active tenant."""
        return ROLES[self.role] | {Permission.AUTHENTICATED} if self.role else permissions_of(self.scopes)


#: how long an invite can be accepted, in microseconds
INVITE_LIFE_US = 7 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """A link that makes whoever holds it a member, once; its secret is kept only as its SHA-256."""

    id: str
    secret_sha: str  # hex
    tenant_id: str
    email: str  # lower case: whom it is meant for, and the address of an account that is made with it
    role: Role
    mailed: bool = False  # to that address, and shown to nobody
    listed: bool = False  # because the Tenant's spec.admins has the address; it goes when that goes
    invited_by: str = ""  # an actor's name
    inviter_id: str = ""  # the person behind it, who must still be allowed to invite when it is accepted
    created_at: int = 0  # epoch microseconds, as all below
    expires_at: int = 0
    accepted_at: int = 0  # 0: not accepted
    accepted_by: str = ""  # id of a user
    revoked_at: int = 0  # 0: not revoked


#: how long a session may be idle, and how long it lasts at most, in microseconds
SESSION_IDLE_US = 30 * 60 * 1_000_000
SESSION_LIFE_US = 12 * 3600 * 1_000_000


#: how lately somebody must have signed in who does what a session that was left open must not do, in microseconds
SESSION_FRESH_US = 5 * 60 * 1_000_000
#: what a method of authentication is called that is several of them (RFC 8176)
SEVERAL_FACTORS = "mfa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that a user has signed in with; the cookie's secret is kept only as its SHA-256."""

    id: str  # the sid of tokens
    secret_sha: str  # hex
    user_id: str
    auth_version: int  # of the user when it began
    amr: tuple[str, ...]  # RFC 8176: how they proved who they are
    auth_time: int  # when; 0: their identity provider does not tell. Epoch microseconds, as all below
    tenant_id: str = ""  # the active tenant
    created_at: int = 0
    last_seen_at: int = 0
    revoked_at: int = 0  # 0: not revoked
    ip: str = ""
    user_agent: str = ""

    def ends_at(self) -> int:
        """When it ends unless it is used before, in epoch microseconds."""
        return min(self.last_seen_at + SESSION_IDLE_US, self.created_at + SESSION_LIFE_US)

    def is_fresh(self, now: int) -> bool:
        """Whether somebody has signed in with it a moment before ``now``, in epoch microseconds."""
        return now - self.auth_time <= SESSION_FRESH_US

    def is_recent(self, now: int) -> bool:
        """The same, or it has begun then where nobody knows when they have signed in elsewhere."""
        return now - (self.auth_time or self.created_at) <= SESSION_FRESH_US


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStanding:
    """What a right in a tenant depends on. ``mode`` is that of its suspension, empty while it is active."""

    id: str
    name: str
    mode: str = ""
    reason: str = ""
    plan: str = ""
    rate: Rate | None = None  # of the plan

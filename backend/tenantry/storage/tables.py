"""The tables as peewee knows them. The migrations create them, and a test compares the two.

Every identifier is ASCII with binary collation; JSON is canonical text; time is epoch microseconds; nothing is ordered
by a number that the database hands out. The models are bound to no database: a unit runs their queries.
"""

from __future__ import annotations

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField, Model, TextField


class Resource(Model):
    """Living Plans, Tenants and Configs; ``tenantry.model.resource.Resource`` tells what the columns mean."""

    kind = CharField()
    namespace = CharField()
    name = CharField()
    uid = CharField(primary_key=True)
    tenant_id = CharField()
    generation = BigIntegerField()
    seq = BigIntegerField()  # 0 between a unit's first statement and its last
    meta = TextField()
    spec = TextField()
    status = TextField()
    managed_by = CharField()
    source_uid = CharField()
    source_generation = BigIntegerField()
    plan = CharField()
    cells = TextField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "resource"


class ResourceLabel(Model):
    """The labels of the living, in the order in which a list by label is paged."""

    kind = CharField()
    key = CharField()
    value = CharField()
    namespace = CharField()
    name = CharField()
    uid = CharField()

    class Meta:  # noqa: D106
        table_name = "resource_label"
        primary_key = CompositeKey("kind", "key", "value", "namespace", "name")


class Tombstone(Model):
    """What deleted Tenants leave."""

    slug = CharField(primary_key=True)
    tenant_id = CharField()
    managed_by = CharField()
    last_doc = TextField()
    deleted_at = BigIntegerField()
    purge_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "tombstone"


class Revision(Model):
    """Published states of specs."""

    kind = CharField()
    namespace = CharField()
    name = CharField()
    tenant_id = CharField()
    revision = BigIntegerField()
    generation = BigIntegerField()
    doc = TextField()
    checksum = CharField()
    author = CharField()
    message = CharField()
    created_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "revision"
        primary_key = CompositeKey("kind", "namespace", "name", "tenant_id", "revision")


class Claim(Model):
    """Globally unique values and the resource that holds each."""

    kind = CharField()
    value = CharField()
    uid = CharField()

    class Meta:  # noqa: D106
        table_name = "claim"
        primary_key = CompositeKey("kind", "value")


class ClaimWaiter(Model):
    """Who wants a value that another resource holds."""

    kind = CharField()
    value = CharField()
    uid = CharField()

    class Meta:  # noqa: D106
        table_name = "claim_waiter"
        primary_key = CompositeKey("kind", "value", "uid")


class Clock(Model):
    """Named counters of the change log.

    ``seq``: the last one taken; ``compacted_to``: the last one removed; ``webhooks``: the last that those were told of.
    """

    name = CharField(primary_key=True)
    seq = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "clock"


class ChangeLog(Model):
    """What watches send, in seq order without a gap."""

    seq = BigIntegerField(primary_key=True)
    kind = CharField()
    namespace = CharField()
    name = CharField()
    uid = CharField()
    tenant_id = CharField()
    verb = CharField()
    object = TextField()
    prev_labels = TextField()
    at = BigIntegerField()
    size = IntegerField()  # bytes of object and prev_labels

    class Meta:  # noqa: D106
        table_name = "change_log"


class Lease(Model):
    """Who may do what only one may do at a time."""

    name = CharField(primary_key=True)
    holder = CharField()
    token = BigIntegerField()
    expires = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "lease"


class Idempotency(Model):
    """Answers to requests that carried an Idempotency-Key."""

    key = CharField(primary_key=True)
    request_hash = CharField()
    status = IntegerField()  # 0 until the request is answered
    headers = CharField()  # a JSON array of names and values
    body = TextField()
    secret = IntegerField()  # 1: the answer carried a secret, which ``body`` lacks
    expires_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "idempotency"


class Work(Model):
    """Objects that must be looked at again because of another object."""

    kind = CharField()
    key = CharField()
    version = BigIntegerField()  # counts requests, so that one made during the work is not lost
    added_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "work"
        primary_key = CompositeKey("kind", "key")


class AuditEvent(Model):
    """Who did what."""

    id = CharField(primary_key=True)
    at = BigIntegerField()
    actor = CharField()
    action = CharField()
    kind = CharField()
    namespace = CharField()
    name = CharField()
    tenant_id = CharField()
    result = CharField()
    seq = BigIntegerField()
    request_id = CharField()
    ip = CharField()
    message = CharField()
    diff = TextField()
    position = BigIntegerField()  # in the chain of its tenant; 0 until it is sealed
    seal = CharField()
    on_behalf_of = CharField()

    class Meta:  # noqa: D106
        table_name = "audit_event"


class AuditChain(Model):
    """Where the chains of audit rows begin and end."""

    tenant_id = CharField(primary_key=True)
    position = BigIntegerField()
    seal = CharField()
    removed = BigIntegerField()
    removed_seal = CharField()
    signature = CharField()

    class Meta:  # noqa: D106
        table_name = "audit_chain"


class ApiKey(Model):
    """API keys; lists are JSON arrays."""

    id = CharField(primary_key=True)
    name = CharField()
    secret_sha = CharField()
    scopes = TextField()
    owner = CharField()
    tenant_id = CharField()
    created_by = CharField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    revoked_at = BigIntegerField()
    last_used_at = BigIntegerField()
    allowed_cidrs = TextField()

    class Meta:  # noqa: D106
        table_name = "api_key"


class User(Model):
    """People."""

    id = CharField(primary_key=True)
    email = CharField()
    email_verified = IntegerField()  # unique with the address
    name = CharField()
    password_hash = CharField()
    status = CharField()
    platform_admin = IntegerField()
    auth_version = BigIntegerField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()
    last_sign_in_at = BigIntegerField()
    must_review = IntegerField()

    class Meta:  # noqa: D106
        table_name = "user_account"  # USER is a function of MySQL


class Membership(Model):
    """Who belongs to which tenant, as what."""

    tenant_id = CharField()
    user_id = CharField()
    role = CharField()
    source = CharField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "membership"
        primary_key = CompositeKey("tenant_id", "user_id")


class Invite(Model):
    """Links that make members."""

    id = CharField(primary_key=True)
    secret_sha = CharField()
    tenant_id = CharField()
    email = CharField()
    mailed = IntegerField()
    listed = IntegerField()
    role = CharField()
    invited_by = CharField()
    inviter_id = CharField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    accepted_at = BigIntegerField()
    accepted_by = CharField()
    revoked_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "invite"


class ServiceAccount(Model):
    """Programs with rights of their own."""

    id = CharField(primary_key=True)
    tenant_id = CharField()
    name = CharField()
    role = CharField()
    scopes = TextField()  # a JSON array
    status = CharField()
    cluster = CharField()
    subject = CharField()
    given = IntegerField()
    created_by = CharField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "service_account"


class Session(Model):
    """Browsers that are signed in."""

    id = CharField(primary_key=True)
    secret_sha = CharField()
    user_id = CharField()
    auth_version = BigIntegerField()
    amr = CharField()  # a JSON array
    auth_time = BigIntegerField()
    tenant_id = CharField()
    created_at = BigIntegerField()
    last_seen_at = BigIntegerField()
    revoked_at = BigIntegerField()
    ip = CharField()
    user_agent = CharField()

    class Meta:  # noqa: D106
        table_name = "session"


class OneTimeLink(Model):
    """Links that work once; one row for each purpose and user."""

    purpose = CharField()
    user_id = CharField()
    email = CharField()
    auth_time = BigIntegerField()
    id = CharField(unique=True)
    secret_sha = CharField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    used_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "one_time_link"
        primary_key = CompositeKey("purpose", "user_id")


class AuthThrottle(Model):
    """Attempts that are counted, by a hash of what they have in common."""

    key = CharField(primary_key=True)
    count = IntegerField()
    ends_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "auth_throttle"


class SigningKey(Model):
    """The keys that sign tokens."""

    id = CharField(primary_key=True)
    alg = CharField()
    private = TextField()  # encrypted
    created_at = BigIntegerField()
    active_from = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "signing_key"


class OAuthClient(Model):
    """Programs that may ask for tokens; lists are JSON arrays."""

    id = CharField(primary_key=True)
    name = CharField()
    tenant_id = CharField()
    kind = CharField()
    redirect_uris = TextField()
    post_logout_uris = TextField()
    grant_types = TextField()
    scopes = TextField()
    jwks = TextField()
    cluster = CharField()
    subject = CharField()
    given = IntegerField()
    first_party = IntegerField()
    disabled = IntegerField()
    created_by = CharField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "oauth_client"


class ClientSecret(Model):
    """Their secrets."""

    id = CharField(primary_key=True)
    client_id = CharField()
    secret_sha = CharField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "client_secret"


class Revocation(Model):
    """Tokens and grants that were taken back before they expired."""

    id = CharField(primary_key=True)
    expires_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "revocation"


class TokenFamily(Model):
    """What people have granted to clients."""

    id = CharField(primary_key=True)
    client_id = CharField()
    user_id = CharField()
    session_id = CharField()
    tenant_id = CharField()
    scopes = TextField()
    amr = CharField()
    auth_time = BigIntegerField()
    auth_version = BigIntegerField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    revoked_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "token_family"


class AuthCode(Model):
    """Authorization codes."""

    id = CharField(primary_key=True)
    secret_sha = CharField()
    family_id = CharField()
    client_id = CharField()
    user_id = CharField()
    session_id = CharField()
    tenant_id = CharField()
    redirect_uri = CharField()
    scopes = TextField()
    challenge = CharField()
    nonce = TextField()
    amr = CharField()
    auth_time = BigIntegerField()
    auth_version = BigIntegerField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    redeemed_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "auth_code"


class RefreshToken(Model):
    """Refresh tokens."""

    id = CharField(primary_key=True)
    family_id = CharField()
    secret_sha = CharField()
    created_at = BigIntegerField()
    used_at = BigIntegerField()
    successor = TextField()

    class Meta:  # noqa: D106
        table_name = "refresh_token"


class DeviceCode(Model):
    """Sign-ins that devices wait for."""

    id = CharField(primary_key=True)
    secret_sha = CharField()
    user_code = CharField()
    family_id = CharField()
    client_id = CharField()
    scopes = TextField()
    ip = CharField()
    interval = BigIntegerField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    polled_at = BigIntegerField()
    decided_at = BigIntegerField()
    redeemed_at = BigIntegerField()
    user_id = CharField()
    tenant_id = CharField()
    amr = CharField()
    auth_time = BigIntegerField()
    auth_version = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "device_code"


class Consent(Model):
    """What people let clients have, in each tenant for itself."""

    user_id = CharField()
    client_id = CharField()
    tenant_id = CharField()
    scopes = TextField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "tenant_consent"
        primary_key = CompositeKey("user_id", "client_id", "tenant_id")


class FormerConsent(Model):
    """What the release before has written of that: it counts no more, and the next release drops it."""

    user_id = CharField()
    client_id = CharField()
    scopes = TextField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "consent"
        primary_key = CompositeKey("user_id", "client_id")


class IdentityProvider(Model):
    """Where people may sign in; lists are JSON arrays, the secret is encrypted."""

    name = CharField(primary_key=True)
    display_name = CharField()
    issuer = CharField()
    client_id = CharField()
    secret = CharField()
    scopes = CharField()
    email_domains = TextField()
    auto_provision = IntegerField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "identity_provider"


class Identity(Model):
    """Who users are there."""

    id = CharField(primary_key=True)
    issuer = CharField()
    subject = CharField()
    user_id = CharField()
    email = CharField()
    created_at = BigIntegerField()
    last_used_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "identity"


class LoginTransaction(Model):
    """Browsers that were sent there."""

    id = CharField(primary_key=True)
    browser_sha = CharField()
    provider = CharField()
    return_to = CharField()
    user_id = CharField()
    session_id = CharField()
    fresh = IntegerField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    used_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "login_transaction"


class MfaFactor(Model):
    """Authenticator apps, one for each user at most."""

    user_id = CharField(primary_key=True)
    secret = CharField()  # encrypted
    session_id = CharField()
    created_at = BigIntegerField()
    confirmed_at = BigIntegerField()
    last_step = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "mfa_factor"


class RecoveryCode(Model):
    """What stands in for an authenticator app, once."""

    user_id = CharField()
    code_sha = CharField()
    used_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "recovery_code"
        primary_key = CompositeKey("user_id", "code_sha")


class Webhook(Model):
    """URLs that are told of events; lists are JSON arrays, secrets are encrypted."""

    id = CharField(primary_key=True)
    tenant_id = CharField()
    url = CharField()
    description = CharField()
    events = CharField()
    secret = CharField()
    old_secret = CharField()
    old_secret_until = BigIntegerField()
    state = CharField()
    reason = CharField()
    since = BigIntegerField()
    failing_since = BigIntegerField()
    dropping_since = BigIntegerField()
    created_by = CharField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "webhook"


class WebhookDelivery(Model):
    """What they are told."""

    id = CharField(primary_key=True)
    webhook_id = CharField()
    event_id = CharField()
    type = CharField()
    body = TextField()
    state = CharField()
    tries = IntegerField()
    next_at = BigIntegerField()
    created_at = BigIntegerField()
    tried_at = BigIntegerField()
    milliseconds = IntegerField()
    status = IntegerField()
    error = CharField()
    excerpt = CharField()

    class Meta:  # noqa: D106
        table_name = "webhook_delivery"


class RateSpending(Model):
    """What was admitted of busy credentials and tenants, on all replicas together."""

    key = CharField(primary_key=True)
    spent = BigIntegerField()
    at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "rate_spending"


class Departure(Model):
    """Objects that their cluster has reported gone."""

    cluster = CharField()
    uid = CharField()
    at = BigIntegerField()

    class Meta:  # noqa: D106
        table_name = "departure"
        primary_key = CompositeKey("cluster", "uid")


class Instance(Model):
    """The one row that tells this database from every other."""

    id = CharField(primary_key=True)

    class Meta:  # noqa: D106
        table_name = "instance"


ALL: tuple[type[Model], ...] = (
    Resource,
    ResourceLabel,
    Tombstone,
    Revision,
    Claim,
    ClaimWaiter,
    Clock,
    ChangeLog,
    Lease,
    Idempotency,
    Work,
    AuditEvent,
    AuditChain,
    ApiKey,
    User,
    Membership,
    Invite,
    ServiceAccount,
    Session,
    OneTimeLink,
    AuthThrottle,
    SigningKey,
    OAuthClient,
    ClientSecret,
    Revocation,
    TokenFamily,
    AuthCode,
    RefreshToken,
    DeviceCode,
    Consent,
    FormerConsent,
    IdentityProvider,
    Identity,
    LoginTransaction,
    MfaFactor,
    RecoveryCode,
    Webhook,
    WebhookDelivery,
    RateSpending,
    Departure,
    Instance,
)

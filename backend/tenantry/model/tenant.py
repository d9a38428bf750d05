"""Tenant: a customer organisation, the plan it is on and what it owns."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tenantry.model import names
from tenantry.model.fields import (
    Conditions,
    DateTime,
    DisplayName,
    Duration,
    Limits,
    ListMap,
    ListSet,
    Model,
    NamespaceName,
    NamespaceSuffix,
    ObjectName,
    Profile,
    Quota,
    Reference,
    Rule,
    Standard,
    duration_seconds,
)

#: addresses in ``spec.admins``
MOST_ADMINS = 50

_OURS = ("tenantry.dev", "k8s.io", "kubernetes.io")


def _is_free_key(key: str) -> bool:
    if key.startswith("app.kubernetes.io/"):
        return True
    return not any(key.startswith(f"{ours}/") or f".{ours}/" in key for ours in _OURS)


def _free_keys_cel(field: str) -> str:
    theirs = " || ".join(f"k.startsWith('{ours}/') || k.contains('.{ours}/')" for ours in _OURS)
    return f"!has(self.{field}) || self.{field}.all(k, k.startsWith('app.kubernetes.io/') || !({theirs}))"


class Suspension(Model):
    """How a suspended tenant is held back; read only while `state` is `Suspended`."""

    mode: Literal["ReadOnly", "Blocked", "ScaledToZero"] = "Blocked"
    """`ReadOnly`: reads pass. `Blocked`: nothing passes. `ScaledToZero`: nothing passes and no workload runs."""
    reason: Annotated[str, Field(max_length=256)] | None = None
    """Shown to the tenant's members."""


class Subject(Model):
    """Somebody in the cluster."""

    kind: Literal["User", "Group", "ServiceAccount"]
    """Kind of subject, as in a Kubernetes RoleBinding."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the user, group or service account."""
    namespace: NamespaceName | None = None
    """Namespace of a ServiceAccount; not allowed for the others."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.kind == 'ServiceAccount' ? has(self.__namespace__) : !has(self.__namespace__)",
            "namespace is required for a ServiceAccount and not allowed for a User or Group",
            lambda subject: ("namespace" in subject) == (subject["kind"] == "ServiceAccount"),
        ),
        Rule(
            "self.kind == 'ServiceAccount' || !self.name.startsWith('system:')",
            "only a ServiceAccount may be one of the cluster's own identities (system:...)",
            lambda subject: subject["kind"] == "ServiceAccount" or not subject["name"].startswith("system:"),
        ),
    )


class Access(Model):
    """Who in the cluster holds one role in the tenant's namespaces."""

    role: Literal["Owner", "Editor", "Viewer"]
    """Role, bound to the ClusterRole `tenantry-tenant-<role>`."""
    subjects: Annotated[list[Subject], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "atomic"})]
    """The users, groups and service accounts that hold it."""


Labels = Annotated[
    dict[str, Annotated[str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]],
    Field(max_length=32),
]
Annotations = Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)]


class TenantNamespace(Model):
    """One namespace of the tenant; its real name is `<tenant>-<name>`."""

    name: NamespaceSuffix
    """Lower-case letters and digits, no hyphen."""
    state: Literal["Present", "Detached", "Deleted"] = "Present"
    """`Present`: kept and repaired. `Detached`: left alone. `Deleted`: the namespace and all in it is deleted."""
    share: Annotated[int, Field(ge=0, le=100)] | None = None
    """Percent of the tenant's quota; what is left is split equally among the namespaces that say nothing."""
    adopt_uid: Annotated[str, Field(pattern=names.UID, max_length=36)] | None = Field(default=None, alias="adoptUID")
    """UID of an existing namespace of that name to take over."""
    labels: Labels | None = None
    """Labels put on the namespace."""
    annotations: Annotations | None = None
    """Annotations put on the namespace."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            _free_keys_cel("labels"),
            "labels may not use tenantry.dev/, k8s.io/ or kubernetes.io/ (app.kubernetes.io/ is free)",
            lambda namespace: all(map(_is_free_key, namespace.get("labels", ()))),
        ),
        Rule(
            _free_keys_cel("annotations"),
            "annotations may not use tenantry.dev/, k8s.io/ or kubernetes.io/ (app.kubernetes.io/ is free)",
            lambda namespace: all(map(_is_free_key, namespace.get("annotations", ()))),
        ),
    )


class Peer(Model):
    """Where traffic may come from."""

    namespace: NamespaceName
    """A namespace of the platform, such as that of the ingress controller; never one of another tenant."""


class TenantNetwork(Model):
    """Network policy of the tenant's namespaces; at most as open as the plan's."""

    profile: Profile | None = None
    """`Isolated`: each namespace by itself. `SameTenant`: the tenant's namespaces reach each other.

    `Open`: no policy. The plan's when empty.
    """
    allow_from: Annotated[list[Peer], Field(max_length=32), ListMap("namespace")] | None = None
    """Further namespaces that may reach the tenant's pods."""
    egress_cidrs: (
        Annotated[list[Annotated[str, Field(pattern=names.CIDR, max_length=49)]], Field(max_length=64), ListSet()]
        | None
    ) = Field(default=None, alias="egressCIDRs")
    """Address ranges outside the cluster that the tenant's pods may reach."""


class PodSecurity(Model):
    """Pod Security Standard of the tenant's namespaces; at least as strict as the plan's."""

    enforce: Standard | None = None
    """Standard that pods must meet; the plan's when empty."""
    warn: Standard | None = None
    """Standard that users are warned about."""
    version: Annotated[str, Field(pattern=names.VERSION)] | None = None
    """Kubernetes version of the standard: `latest` or `v1.36`."""


class OAuthClient(Model):
    """An OAuth client whose credentials are kept as a Secret in one of the tenant's namespaces."""

    name: Annotated[str, Field(pattern=names.DNS_LABEL, max_length=40)]
    """Name of the client within the tenant."""
    namespace: NamespaceSuffix | None = None
    """Entry of `namespaces` that gets the Secret; the first one when empty."""
    grant_types: Annotated[list[Literal["client_credentials"]], Field(max_length=4), ListSet()] = Field(
        default=["client_credentials"]
    )
    """OAuth grants that the client may use."""
    scopes: Annotated[
        list[Annotated[str, Field(pattern=names.SCOPE, max_length=32)]], Field(max_length=16), ListSet()
    ] = Field(default=["config:read"])
    """OAuth scopes that the client may ask for; never one of the platform's."""
    secret_name: ObjectName | None = None
    """Name of the Secret; `tenantry-oauth-<name>` when empty."""
    rotate_every: Duration = "2160h"
    """Age at which the client gets a new secret."""
    overlap: Duration = "24h"
    """How long the old secret stays valid after a rotation."""


class TenantSpec(Model):
    """What the platform team wants for one customer."""

    display_name: DisplayName
    """Name of the customer as people write it."""
    plan_ref: Reference
    """Plan that the tenant is on; its quota, limits and policies are ceilings for the tenant's."""
    state: Literal["Active", "Suspended"] = "Active"
    """`Suspended` stops sign-in, API, tokens and config delivery; `Active` undoes it."""
    suspension: Suspension | None = None
    """How the tenant is held back while suspended."""
    deletion_protection: Literal["Enabled", "Disabled"] = "Disabled"
    """`Enabled` refuses to delete the tenant."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """What happens to the tenant's namespaces when it is deleted."""
    purge_after: Duration = "720h"
    """How long a deleted tenant can be brought back, with its members, keys and history."""
    admins: (
        Annotated[
            list[Annotated[str, Field(pattern=names.EMAIL, max_length=254)]], Field(max_length=MOST_ADMINS), ListSet()
        ]
        | None
    ) = None
    """E-mail addresses of the first administrators. Each is invited once, with the role `admin`, unless a member has it
    or it was invited before; one that is removed loses an invite that still waits, and no place in the tenant."""
    access: Annotated[list[Access], Field(max_length=3), ListMap("role")] | None = None
    """Who in the cluster may work in the tenant's namespaces."""
    namespaces: Annotated[list[TenantNamespace], Field(max_length=32), ListMap("name")] | None = None
    """The tenant's namespaces. An entry that is removed is detached, never deleted."""
    quota: Quota | None = None
    """Quota of the tenant over all its namespaces; per resource the smaller of this and the plan's counts."""
    limits: Limits | None = None
    """Container defaults in the tenant's namespaces; the plan's when empty."""
    network: TenantNetwork | None = None
    """Network policy of the tenant's namespaces."""
    pod_security: PodSecurity | None = None
    """Pod Security Standard of the tenant's namespaces."""
    hostnames: (
        Annotated[list[Annotated[str, Field(pattern=names.HOSTNAME, max_length=253)]], Field(max_length=50), ListSet()]
        | None
    ) = None
    """Hostnames that belong to the tenant; each can belong to one tenant only."""
    oauth_clients: Annotated[list[OAuthClient], Field(max_length=10), ListMap("name")] | None = None
    """OAuth clients of the tenant; one named `app` when empty."""

    def purge_after_micros(self) -> int:
        """``purgeAfter`` in microseconds."""
        return duration_seconds(self.purge_after) * 1_000_000

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.namespaces) || self.namespaces.map(n, has(n.share) ? n.share : 0).sum() <= 100",
            "the shares of namespaces add up to more than 100",
            lambda spec: sum(item.get("share", 0) for item in spec.get("namespaces", ())) <= 100,  # noqa: PLR2004 - percent
        ),
    )


class NamespaceStatus(Model):
    """What is known of one namespace."""

    name: NamespaceName
    """Real name of the namespace."""
    uid: Annotated[str, Field(max_length=36)] | None = None
    """UID of the namespace."""
    ready: Literal["True", "False", "Unknown"]
    """Whether everything in it is as it should be."""
    reason: Annotated[str, Field(max_length=64)] | None = None
    """Why."""


class PlanStatusRef(Model):
    """The plan that is in effect."""

    name: ObjectName
    """Name of the plan."""
    revision: Annotated[int, Field(ge=0)] | None = None
    """Revision of the plan that is in effect."""


class CredentialStatus(Model):
    """One issued credential."""

    name: Annotated[str, Field(max_length=63)]
    """Name of the OAuth client."""
    secret_ref: Annotated[str, Field(max_length=320)]
    """`<namespace>/<name>` of the Secret."""
    expires_at: DateTime | None = None
    """When it will be rotated."""


class HostnameStatus(Model):
    """One hostname and whether it is ours."""

    host: Annotated[str, Field(max_length=253)]
    """The hostname."""
    state: Literal["Claimed", "Conflict"]
    """`Conflict`: another tenant holds it."""


class TenantStatus(Model):
    """What is true for one customer now."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """`metadata.generation` that this status was computed from."""
    tenant_id: Annotated[str, Field(max_length=36)] | None = Field(default=None, alias="tenantID")
    """Identity of the tenant; survives restore, cluster move, delete and re-create."""
    namespaces_ready: Annotated[str, Field(pattern=r"^[0-9]+/[0-9]+$", max_length=8)] | None = None
    """Ready namespaces of all, as `2/2`."""
    namespaces: Annotated[list[NamespaceStatus], Field(max_length=64), ListMap("name")] | None = None
    """The namespaces and their state."""
    plan: PlanStatusRef | None = None
    """The plan that is in effect."""
    credentials: Annotated[list[CredentialStatus], Field(max_length=10), ListMap("name")] | None = None
    """The issued credentials."""
    hostnames: Annotated[list[HostnameStatus], Field(max_length=50), ListMap("host")] | None = None
    """The claimed hostnames."""
    conditions: Conditions | None = None
    """`Ready` and its parts, `Suspended`, `Drifted`, `DeletionBlocked`."""


def _name_rule() -> Rule:
    reserved = ", ".join(f"'{name}'" for name in names.RESERVED_TENANTS)
    prefixes = " && ".join(f"!self.metadata.name.startsWith('{prefix}')" for prefix in names.RESERVED_PREFIXES)
    return Rule(
        f"!(self.metadata.name in [{reserved}]) && {prefixes}",
        "the name is reserved: its namespaces would look like the platform's own; choose another",
        lambda name: not names.is_reserved(name),
        path="metadata.name",
    )


#: the rule on a Tenant's own name, which is its slug
NAME_RULE = _name_rule()

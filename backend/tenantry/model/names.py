r"""Names, their patterns and the reserved ones: one table for the CEL rule and for the parser.

Patterns avoid what RE2 (Go), Rust's regex and Python's ``re`` read differently: no ``\d``, no look-around, no ``$``
before a trailing newline (every pattern is matched in full).
"""

from __future__ import annotations

import re

#: A Tenant's name is its slug; 40 characters leave room for ``-<namespace>`` within Kubernetes' 63.
TENANT_NAME = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
#: No hyphen: the last hyphen of ``<tenant>-<namespace>`` splits the two.
NAMESPACE_SUFFIX = r"^[a-z0-9]{1,22}$"
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
HOSTNAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$"
EMAIL = (
    r"^[^@\x00-\x20\x7f]{1,64}@[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)+$"
)
KEY = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
CONFIG_SET = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
FEATURE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
SECRET_KEY = r"^[-._a-zA-Z0-9]+$"  # noqa: S105 - a pattern
DURATION = r"^([0-9]{1,6}(h|m|s)){1,3}$"
#: resource.Quantity of apimachinery without a sign: an amount is never negative.
QUANTITY = r"^(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE][-+]?[0-9]{1,2}))?$"
PERCENT = r"^(100|[0-9]{1,2})%$"
CIDR = (
    r"^([0-9]{1,3}(\.[0-9]{1,3}){3}/([0-9]|[12][0-9]|3[0-2])"
    r"|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{1,40}/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$"
)
SCOPE = r"^(tenants|members|config|flags|keys|audit):(read|write|publish)$"
UID = r"^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?$"
VERSION = r"^(latest|v1\.[0-9]{1,3})$"
DATE_TIME = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[-+]([01][0-9]|2[0-3]):[0-5][0-9])$"
)

#: Slugs whose namespaces would look like, or be, somebody else's (``kube-system``, ``tenantry-system``).
RESERVED_TENANTS = (
    "admin",
    "api",
    "argocd",
    "calico",
    "cattle",
    "cert",
    "cert-manager",
    "cilium",
    "default",
    "flux",
    "gatekeeper",
    "ingress",
    "istio",
    "knative",
    "kube",
    "kyverno",
    "linkerd",
    "local",
    "longhorn",
    "monitoring",
    "openshift",
    "rook",
    "system",
    "tenantry",
    "www",
)
#: Where global and plan layers of Configs live when there is no release namespace.
PLATFORM_NAMESPACE = "tenantry-system"
#: Kubernetes itself, OpenShift and we reserve these prefixes for system namespaces.
RESERVED_PREFIXES = ("kube-", "openshift-", "tenantry-")


def is_reserved(name: str) -> bool:
    """Whether a Tenant may not have this name."""
    return name in RESERVED_TENANTS or name.startswith(RESERVED_PREFIXES)


def check_subdomain(name: str) -> list[str]:
    """What is wrong with ``name`` as a DNS subdomain, in Kubernetes' words (apimachinery ``IsDNS1123Subdomain``)."""
    problems = [_too_long(_SUBDOMAIN_LENGTH)] if len(name.encode(errors="replace")) > _SUBDOMAIN_LENGTH else []
    return problems if re.fullmatch(DNS_SUBDOMAIN, name) else [*problems, _SUBDOMAIN_RULE]


def check_dns_label(name: str) -> list[str]:
    """What is wrong with ``name`` as a DNS label, in Kubernetes' words (apimachinery ``IsDNS1123Label``)."""
    problems = [_too_long(_LABEL_LENGTH)] if len(name.encode(errors="replace")) > _LABEL_LENGTH else []
    if re.fullmatch(DNS_LABEL, name):
        return problems
    return [*problems, "must not contain dots" if re.fullmatch(DNS_SUBDOMAIN, name) else _LABEL_RULE]


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"


_LABEL_LENGTH, _SUBDOMAIN_LENGTH = 63, 253  # bytes
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    f"'{DNS_LABEL[1:-1]}')"
)
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{DNS_SUBDOMAIN[1:-1]}')"
)


def namespace_of(tenant: str, suffix: str) -> str:
    """The real name of a tenant's namespace."""
    return f"{tenant}-{suffix}"

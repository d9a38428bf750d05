"""Where a Config may live, and so which layer it may be: one rule for the operator, for the API and for its records."""

from __future__ import annotations

from dataclasses import dataclass

from tenantry.model.config import ConfigSpec
from tenantry.model.errors import FieldCode, FieldError

#: what only the platform's own layers may have
_PLATFORM_ONLY = ("schema_", "locks", "rollout", "publish")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A namespace: its name, the tenant that it belongs to (empty for nobody's), and which one is the platform's."""

    namespace: str
    tenant: str
    platform: str


def problem(spec: ConfigSpec, home: Home) -> FieldError | None:
    """Why a Config may not live where it does, None when it may.

    The platform's namespace may hold every layer, a tenant's that tenant's own, and any other none.
    """
    scope, ref = spec.scope.layer()
    if home.namespace == home.platform:
        return None
    if not home.tenant and scope == "tenant":
        return _forbidden("metadata.namespace", f"a tenant's layer lives in a namespace of {ref} or in {home.platform}")
    if not home.tenant:
        return _forbidden("metadata.namespace", f"a global or plan layer lives in {home.platform}; create it there")
    if (scope, ref) != ("tenant", home.tenant):
        allowed = f"only tenant: {{ref: {home.tenant}}} is allowed"
        return _forbidden("spec.scope", f"in a namespace of tenant {home.tenant} {allowed}")
    extra = [field.rstrip("_") for field in _PLATFORM_ONLY if getattr(spec, field) is not None]
    return _forbidden(f"spec.{extra[0]}", "is not allowed in a tenant's namespace") if extra else None


def _forbidden(path: str, message: str) -> FieldError:
    return FieldError(path, FieldCode.FORBIDDEN, message)

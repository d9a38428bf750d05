"""Feature flags, in flagd's definition format."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tenantry.model import names
from tenantry.model.fields import ListMap, Model

#: Any JSON object; Kubernetes keeps it as it is.
AnyObject = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]
FlagKey = Annotated[str, Field(pattern=names.KEY, max_length=100)]


def _refuse_boolean(value: object) -> object:
    """To Python true is 1, to JSON it is not."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "must be an integer")
    return value


class Prerequisite(Model):
    """Another flag that must have a given variant."""

    flag: FlagKey
    """Key of the other flag."""
    variant: FlagKey
    """Variant that it must have."""


class FlagMetadata(Model):
    """Who owns a flag and how long it is meant to live."""

    owner: Annotated[str, Field(max_length=128)] | None = None
    """Team or person that owns the flag."""
    expires_at: Annotated[str, Field(max_length=40)] | None = None
    """Day or time after which the flag should be gone."""
    description: Annotated[str, Field(max_length=1024)] | None = None
    """What the flag is for."""


class Flag(Model):
    """One flag: its definition in the global layer, or an `override` in a plan or tenant layer."""

    state: Literal["ENABLED", "DISABLED"] | None = None
    """`DISABLED` makes clients use their own default; `ENABLED` when empty."""
    type: Literal["boolean", "string", "integer", "number", "object"] | None = None
    """Type of every variant's value."""
    variants: Annotated[AnyObject, Field(max_length=50)] | None = None
    """Variant name to value. Quote names such as `on` and `off`: YAML 1.1 reads them as booleans."""
    default_variant: FlagKey | None = None
    """Variant when targeting chooses none."""
    targeting: AnyObject | None = None
    """JSONLogic rule that returns a variant name."""
    hash_version: Annotated[Literal[1], BeforeValidator(_refuse_boolean)] | None = None
    """Version of the hash that `fractional` uses; pinned when the flag is created. 1 when empty: murmur3 over UTF-8."""
    prerequisites: Annotated[list[Prerequisite], Field(max_length=10), ListMap("flag")] | None = None
    """Flags that must have a variant, or this one has its default."""
    client_visible: bool | None = None
    """Whether browsers may see the flag; no when empty."""
    metadata: FlagMetadata | None = None
    """Owner and expiry."""
    override: FlagKey | None = None
    """Plan and tenant layers only: the variant that this layer gives everybody in it."""

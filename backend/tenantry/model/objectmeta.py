"""The shape of ``metadata``: apimachinery's ``ObjectMeta``, as clients send it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue

from tenantry.model import ids
from tenantry.model.fields import DateTime, Model

_OPEN: dict[str, JsonValue] = {"x-kubernetes-preserve-unknown-fields": True}


class OwnerReference(Model):
    """An object that this one belongs to (``metav1.OwnerReference``)."""

    api_version: str = ""
    """Group and version of the owner."""
    kind: str = ""
    """Kind of the owner."""
    name: str = ""
    """Name of the owner."""
    uid: str = ""
    """UID of the owner."""
    controller: bool | None = None
    """Whether the owner is the one that manages this object; at most one is."""
    block_owner_deletion: bool | None = None
    """Whether the owner stays while this object is there."""


def _without_repeats(references: list[OwnerReference]) -> list[OwnerReference]:
    """As kube-apiserver does since 1.20 (``dedupOwnerReferences``)."""
    return list(dict.fromkeys(references))


class ManagedFieldsEntry(Model):
    """The fields one manager has set (``metav1.ManagedFieldsEntry``)."""

    manager: str | None = None
    """Name of the manager."""
    operation: str | None = None
    """`Apply` or `Update`."""
    api_version: str | None = None
    """Version in which the fields are named."""
    time: DateTime | None = None
    """When the manager last changed them."""
    fields_type: str | None = None
    """Always `FieldsV1`."""
    fields_v1: Annotated[Any, Field(alias="fieldsV1", json_schema_extra=_OPEN)] = None
    """The fields, as a tree."""
    subresource: str | None = None
    """Subresource through which they were set; empty for the object itself."""


class ObjectMeta(Model):
    """Metadata of an object (metav1.ObjectMeta); what the server owns is accepted and ignored."""

    name: str | None = None
    """Name of the object, unique within its kind (and namespace); cannot be changed."""
    generate_name: str | None = None
    """Prefix from which the server makes a name, when `name` is not set."""
    namespace: str | None = None
    """Namespace of the object; empty for a kind without namespaces."""
    self_link: str | None = None
    """Not used any more."""
    uid: str | None = None
    """Identity of this object in time and space; made by the server."""
    resource_version: str | None = None
    """Change number of the object; give it back to be told of a lost race."""
    generation: int | None = None
    """Counts the changes of `spec`."""
    creation_timestamp: DateTime | None = None
    """When the object was created."""
    deletion_timestamp: DateTime | None = None
    """When the object was deleted, while finalizers hold it."""
    deletion_grace_period_seconds: int | None = None
    """Seconds between the request to delete and the deletion."""
    labels: dict[str, str] | None = None
    """Names and values by which objects are selected."""
    annotations: dict[str, str] | None = None
    """Names and values that others keep with the object."""
    owner_references: Annotated[list[OwnerReference], AfterValidator(_without_repeats)] | None = None
    """Objects that this one belongs to: it goes when all of them are gone."""
    finalizers: list[str] | None = None
    """Names of those who must act before the object goes."""
    managed_fields: list[ManagedFieldsEntry] | None = None
    """Who set which field; kept by the server."""

    def future_name(self) -> str:
        """The name, or one as good as that which will be generated; empty when there is neither."""
        return self.name or (ids.generate_name(self.generate_name) if self.generate_name else "")

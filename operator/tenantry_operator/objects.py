"""One of our own objects as a reconcile sees it: a Tenant, Plan or Config, and how the queue calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from tenantry_operator.kube import CONFIGS, PLANS, TENANTS, Resource

Document = dict[str, Any]
#: the kinds that are reconciled, in the order in which they depend on each other
OWN = {resource.kind: resource for resource in (PLANS, TENANTS, CONFIGS)}


class Key(NamedTuple):
    """One object; ``namespace`` is empty for a cluster-scoped one."""

    kind: str
    namespace: str
    name: str


def tenant_key(name: str) -> Key:
    """A Tenant."""
    return Key(TENANTS.kind, "", name)


def plan_key(name: str) -> Key:
    """A Plan."""
    return Key(PLANS.kind, "", name)


@dataclass(frozen=True, slots=True)
class Object:
    """A Tenant, Plan or Config with the status that it had; ``tenant`` is the one whose namespace it is in, if any."""

    key: Key
    document: Document
    tenant: str = ""

    @property
    def resource(self) -> Resource:
        """Its kind."""
        return OWN[self.key.kind]

    @property
    def metadata(self) -> Document:
        """Its metadata, without managedFields and resourceVersion."""
        found: Document = self.document["metadata"]
        return found

    @property
    def spec(self) -> Document:
        """Its spec."""
        found: Document = self.document["spec"]
        return found

    @property
    def status(self) -> Document:
        """Its status, empty when it has none."""
        found: Document = self.document["status"]
        return found

    @property
    def uid(self) -> str:
        """Its UID."""
        return str(self.metadata["uid"])

    @property
    def generation(self) -> int:
        """Its generation."""
        return int(self.metadata["generation"])

    @property
    def is_deleting(self) -> bool:
        """Whether it is being deleted."""
        return "deletionTimestamp" in self.metadata

    @property
    def finalizers(self) -> list[str]:
        """Its finalizers."""
        return list(self.metadata.get("finalizers", ()))

    @property
    def namespace_uids(self) -> frozenset[str]:
        """The UIDs of a Tenant's namespaces, as its status has them."""
        return frozenset(each["uid"] for each in self.status.get("namespaces", ()) if "uid" in each)

    @property
    def is_observed(self) -> bool:
        """Whether its status is of its generation."""
        return bool(self.status.get("observedGeneration") == self.generation)

    def identity(self) -> Document:
        """What a server-side apply names it by; with the UID, so that no other of the same name is meant."""
        return {name: self.metadata[name] for name in ("name", "namespace", "uid") if name in self.metadata}

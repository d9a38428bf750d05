"""What a cluster's operator reports, for tests that need no cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tenantry.client.records import Records
from tenantry.client.session import Session
from tenantry.model.kinds import TENANT, Address
from tests.support.server import ServerInProcess


@dataclass
class Operator:
    """The operator of a cluster, which reports tenants and their namespaces."""

    records: Records
    instance: str

    async def declare(self, name: str, *namespaces: str) -> str:
        """Report a tenant that is to have these namespaces; its identity."""
        spec = {"displayName": name, "planRef": {"name": "pro"}, "namespaces": [{"name": each} for each in namespaces]}
        document = {"metadata": {"uid": name, "generation": 1}, "spec": spec}
        return (await self.records.put(Address(TENANT, "", name), document, instance=self.instance)).tenant_id

    async def report(self, name: str, **uids: str) -> None:
        """Report the tenant's namespaces; one without a UID is somebody else's."""
        seen = [
            {"name": f"{name}-{suffix}", "ready": "True", "uid": uid}
            if uid
            else {"name": f"{name}-{suffix}", "ready": "False", "reason": "NameTaken"}
            for suffix, uid in uids.items()
        ]
        at, status = Address(TENANT, "", name), {"namespaces": seen}
        await self.records.put_status(at, instance=self.instance, uid=name, generation=1, status=status)


@asynccontextmanager
async def operating(server: ServerInProcess, token: str, cluster: str = "east") -> AsyncIterator[Operator]:
    """The operator of a cluster, by its ServiceAccount token."""
    async with Session(server.base_url, token) as session:
        records = Records(session, cluster)
        yield Operator(records, await records.instance())

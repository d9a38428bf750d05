"""A plan is deleted while a tenant comes to it: a plan that has a tenant stays, whoever is faster."""

import asyncio
from pathlib import Path

from tenantry.storage import changes
from tests.support.application import KUBERNETES, Client
from tests.support.server import running_server

ROUNDS = 60
SECONDS = 60


async def compete(client: Client, name: str) -> None:
    """A tenant comes to the plan ``name`` in the moment that this is deleted."""
    await client.create("plans", name, {"displayName": name})
    _, deleted = await asyncio.gather(
        client.create("tenants", name, {"displayName": name, "planRef": {"name": name}}),
        client.call("DELETE", f"{KUBERNETES}/plans/{name}"),
    )
    assert deleted.status in {200, 403}, deleted.body
    assert (await client.get(f"{KUBERNETES}/plans/{name}")).status == (404 if deleted.status == 200 else 200)


async def test_no_plan_goes_after_a_tenant_has_come_to_it(tmp_path: Path, database_url: str) -> None:
    async with running_server(tmp_path, database_url=database_url) as server, server.session() as session:
        async with asyncio.timeout(SECONDS):
            for number in range(ROUNDS):
                await compete(Client(session), f"p-{number}")
        log = await server.services.db.run(changes.read, 0, 100 * ROUNDS)
    came = {change.name: change.seq for change in log if (change.kind, change.verb) == ("Tenant", "ADDED")}
    went = {change.name: change.seq for change in log if (change.kind, change.verb) == ("Plan", "DELETED")}
    assert len(came) == ROUNDS
    assert [name for name, seq in went.items() if seq > came[name]] == []

"""An authorization server for tests, and clients that are registered with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tenantry.model import ids
from tenantry.model.credentials import new_token
from tenantry.model.oauth import CLIENT_SECRET, ClientSecret, OAuthClient
from tenantry.storage import clients
from tenantry.storage.unit import Unit
from tests.cluster.processes import free_port
from tests.support.application import Application
from tests.support.people import seen
from tests.support.server import ServerInProcess, running_server

CALLBACK = "https://app.example.com/callback"


def addresses() -> dict[str, Any]:
    """Settings by which a server knows its own URL before it listens."""
    port = free_port()
    return {"tls_port": port, "external_url": f"https://localhost:{port}"}


@asynccontextmanager
async def issuing_server(tmp_path: Path, **settings: Any) -> AsyncIterator[ServerInProcess]:
    """A server in this process that knows its own URL."""
    async with running_server(tmp_path, **addresses(), **settings) as server:
        yield server


async def add_client(server: ServerInProcess, **columns: Any) -> tuple[OAuthClient, str]:
    """A client as the database has it, and its secret."""
    token, secret_id, secret_sha = new_token(CLIENT_SECRET)
    now = ids.now_micros()
    client = OAuthClient(
        id=new_token()[1],
        **{
            "name": "Example",
            "redirect_uris": (CALLBACK,),
            "post_logout_uris": ("https://app.example.com/bye",),
            "grant_types": ("authorization_code", "refresh_token", "client_credentials"),
            "scopes": ("openid", "profile", "email", "offline_access", "resources:read", "keys:read", "members:read"),
            "created_at": now,
            "updated_at": now,
            **columns,
        },
    )

    def insert(unit: Unit) -> None:
        clients.insert(unit, client)
        if not client.is_public:
            secret = ClientSecret(id=secret_id, client_id=client.id, secret_sha=secret_sha, created_at=now)
            clients.add_secret(unit, secret)

    await server.services.db.run(insert, write=True)
    return client, token


async def status(api: Application, token: str) -> int:
    """What the API answers to the bearer of an access token, once it has heard of everything."""
    await seen(api.server)
    return (await api.get("/v1/me", Authorization=f"Bearer {token}")).status

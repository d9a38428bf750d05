"""`tenantry` in this process; the fixture `tenantry` runs it beside a real server, which is in this process too."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from click.testing import CliRunner, Result

from tenantry.cli.main import main
from tests.support.server import RunningServer, ServerInProcess

Tenantry = Callable[..., Awaitable[Result]]


def run(*arguments: str, given: str = "", **variables: str) -> Result:
    """`tenantry` with these arguments, `given` on its standard input, and variables without their prefix."""
    environment = {f"TENANTRY_{name}": value for name, value in variables.items()}
    return CliRunner().invoke(main, arguments, input=given, env=environment)


def beside(server: RunningServer) -> Tenantry:
    """`tenantry` for a server, which it finds by its data directory."""

    async def invoke(*arguments: str, given: str = "", **variables: str) -> Result:
        variables = {"DATA_DIR": str(server.data_dir), **variables}
        return await asyncio.to_thread(run, *arguments, given=given, **variables)

    return invoke


@pytest.fixture
def tenantry(server: ServerInProcess) -> Tenantry:
    """`tenantry` for the fixture `server`."""
    return beside(server)

"""What the tests of single OAuth requests begin with."""

from collections.abc import AsyncIterator

import pytest

from tenantry.model.permissions import Role
from tests.support.application import Application
from tests.support.oauth import add_client
from tests.support.oauth_http import Wire
from tests.support.people import add_member, add_session, add_user


@pytest.fixture
async def wire(v1: Application) -> AsyncIterator[Wire]:
    """A client of ours, and a member of a tenant at a browser."""
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    user = await add_user(v1.server)
    await add_member(v1.server, tenant, user, Role.VIEWER)
    cookie = await add_session(v1.server, user, tenant)
    client, secret = await add_client(v1.server, first_party=True)
    async with v1.server.session(anonymous=True) as http:
        yield Wire(http, client.id, secret, cookie)

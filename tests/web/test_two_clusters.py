"""Two real clusters with the same issuer string: told apart by their keys, and asked whether a token is still good."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.cluster.controlplane import ControlPlane
from tests.support.application import Application
from tests.support.people import seen
from tests.support.server import ServerInProcess, running_server

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

NAMESPACE, APP = "acme-prod", "system:serviceaccount:acme-prod:app"
MADE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
REVIEWER = "tenantry-reviewer"


@pytest.fixture(scope="module")
def planes(control_plane: ControlPlane) -> Iterator[dict[str, ControlPlane]]:
    """Both clusters, with the same ServiceAccounts in them."""
    with ControlPlane() as other:
        found = {"east": control_plane, "west": other}
        for plane in found.values():
            plane.kubectl("apply", "-f", "-", input=json.dumps(MADE))  # another test may have left it
            for name in ("app", REVIEWER):
                plane.kubectl("create", "serviceaccount", name, "-n", NAMESPACE)
            role = ("--clusterrole=system:auth-delegator", f"--serviceaccount={NAMESPACE}:{REVIEWER}")
            plane.kubectl("create", "clusterrolebinding", REVIEWER, *role)
        yield found
        control_plane.kubectl("delete", "clusterrolebinding", REVIEWER)
        control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
async def v1(planes: dict[str, ControlPlane], tmp_path: Path) -> AsyncIterator[Application]:
    """The API of a server that asks both."""
    clusters: list[dict[str, Any]] = []
    for name, plane in planes.items():
        token = tmp_path / f"{name}.token"
        token.write_text(plane.service_account_token(NAMESPACE, REVIEWER))
        clusters.append(
            {
                "name": name,
                "issuer": plane.issuer,
                "jwks": plane.jwks(),
                "subjects": {},
                "ca_file": plane.ca_path,
                "token_file": token,
                "token_review_url": f"{plane.url}/apis/authentication.k8s.io/v1/tokenreviews",
            }
        )
    async with running_server(tmp_path, clusters=clusters) as server, server.session() as session:
        yield Application(session, server)


@asynccontextmanager
async def bearing(server: ServerInProcess, token: str) -> AsyncIterator[Application]:
    async with aiohttp.ClientSession(server.base_url, headers={"Authorization": f"Bearer {token}"}) as session:
        yield Application(session, server)


async def test_the_same_name_in_two_clusters_is_two_and_what_a_cluster_has_taken_back_is_not_taken(
    v1: Application, planes: dict[str, ControlPlane]
) -> None:
    assert planes["east"].issuer == planes["west"].issuer
    accounts = {}
    for cluster, tenant in (("east", "acme"), ("west", "beta")):
        await v1.tenant(tenant)
        workload = {"cluster": cluster, "subject": APP}
        body = {"name": "app", "role": "viewer", "workload": workload}
        made = await v1.post(f"/v1/tenants/{tenant}/service-accounts", body)
        assert made.status == 201, made.body
        accounts[cluster] = made.body["id"]
    await seen(v1.server)
    tokens = {name: plane.service_account_token(NAMESPACE, "app", "tenantry-api") for name, plane in planes.items()}
    for cluster, tenant in (("east", "acme"), ("west", "beta")):
        async with bearing(v1.server, tokens[cluster]) as app:
            me = (await app.get("/v1/me")).body
            assert (me["name"], me["cluster"]) == (f"service-account:{accounts[cluster]}", cluster)
            assert me["tenant"]["name"] == tenant
    for wrong in (
        planes["east"].service_account_token(NAMESPACE, "app"),  # for kube-apiserver itself
        planes["east"].service_account_token(NAMESPACE, REVIEWER, "tenantry-api"),  # which nobody has named
    ):
        async with bearing(v1.server, wrong) as app:
            assert (await app.get("/v1/me")).status == 401
    # kube-apiserver believes its own answer about a token for a while: this one was never shown to it
    late = planes["east"].service_account_token(NAMESPACE, "app", "tenantry-api")
    planes["east"].kubectl("delete", "serviceaccount", "app", "-n", NAMESPACE)
    async with bearing(v1.server, late) as app, bearing(v1.server, tokens["west"]) as namesake:
        assert (await app.get("/v1/me")).status == 401
        assert (await namesake.get("/v1/me")).status == 200


async def test_a_cluster_that_does_not_answer_lets_nobody_in_for_now(
    v1: Application, planes: dict[str, ControlPlane]
) -> None:
    token = planes["west"].service_account_token(NAMESPACE, "app", "tenantry-api")
    planes["west"].stop_apiserver()
    try:
        async with bearing(v1.server, token) as app:
            refused = await app.get("/v1/me")
            assert (refused.status, refused.code) == (503, "unavailable")
            assert "Retry-After" in refused.headers
    finally:
        planes["west"].start_apiserver()

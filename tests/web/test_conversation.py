"""The resource API against a real kube-apiserver with our CRDs: the same requests, the same answers.

Compared are HTTP code, Content-Type, Warning headers, the whole body (of a Status also its message, numbers aside) and
the order of events. What differs because it is meant to is declared where it is asked for, with its reason, and must
differ.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from tenantry.model.kinds import KINDS
from tenantry.storage import changes
from tests.cluster.controlplane import ControlPlane
from tests.support.conversation import ROOT, Conversation, conversation
from tests.support.server import ServerInProcess, running_server
from tests.web.chapters.applying import applying
from tests.web.chapters.creating import creating
from tests.web.chapters.deleting import deleting
from tests.web.chapters.documents import plan, without_status
from tests.web.chapters.erring import erring
from tests.web.chapters.patching import patching
from tests.web.chapters.reading import reading
from tests.web.chapters.updating import updating
from tests.web.chapters.watching import watching

pytestmark = pytest.mark.cluster

CHAPTERS: tuple[Callable[[Conversation], Awaitable[None]], ...] = (
    creating,
    reading,
    updating,
    patching,
    applying,
    deleting,
    watching,
    erring,
)


@asynccontextmanager
async def _conversation(control_plane: ControlPlane, server: ServerInProcess) -> AsyncIterator[Conversation]:
    there = control_plane.url, control_plane.admin_token, control_plane.tls
    here = server.tls_url, server.token, server.tls()
    async with conversation(there, here, without_status) as held:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": held.run}}
        control_plane.request("/api/v1/namespaces", namespace)
        yield held


@pytest.fixture
async def talk(control_plane: ControlPlane, server: ServerInProcess) -> AsyncIterator[Conversation]:
    async with _conversation(control_plane, server) as held:
        yield held


@pytest.fixture(scope="module", autouse=True)
def _crds(control_plane: ControlPlane) -> None:
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "k8s/crds")
    crds = [f"crd/{kind.qualified}" for kind in KINDS]
    control_plane.kubectl("wait", "--for=condition=Established", *crds)
    # the storage of a kind answers 429 for a moment after that; kubectl tries again
    control_plane.kubectl("get", "--all-namespaces", ",".join(kind.plural for kind in KINDS))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.__name__)
async def test_the_api_answers_as_kube_apiserver_does(
    talk: Conversation, chapter: Callable[[Conversation], Awaitable[None]]
) -> None:
    await chapter(talk)
    talk.agree()


async def test_a_version_that_both_have_forgotten_is_gone(control_plane: ControlPlane, tmp_path: Path) -> None:
    async with running_server(tmp_path) as earlier, earlier.session() as session:
        for name in ("a", "b"):
            document = {**plan(), "metadata": {"name": name}}
            async with session.post(f"{ROOT}/plans", json=document) as answer:
                assert answer.status == HTTPStatus.CREATED, await answer.text()
    # a server that starts has nothing of it in memory
    async with running_server(tmp_path) as server, _conversation(control_plane, server) as talk:
        await server.services.db.run(changes.compact, 2**62, 0, write=True)
        stream = await talk.watch("plans?resourceVersion=1")
        await stream.expect(1)
        await stream.expect_end()
        talk.agree()

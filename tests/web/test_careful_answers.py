"""What every answer says to browsers: that it is data of somebody, and nothing to guess, show or keep."""

from pathlib import Path

import pytest

from tests.support.application import KUBERNETES, Application
from tests.support.server import ServerInProcess, running_server

PATHS = [
    "/v1/me",
    "/v1/tenants",
    "/v1/nothing",
    f"{KUBERNETES}/tenants",
    "/apis",
    "/openapi.json",
    "/docs",
    "/login",
    "/",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_guesses_frames_and_shares_nothing(v1: Application, path: str) -> None:
    headers = (await v1.get(path)).headers if path not in {"/docs", "/login"} else await page(v1, path)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "public" not in headers["Cache-Control"]
    assert "Strict-Transport-Security" not in headers  # other programs of this machine have the same host


async def page(v1: Application, path: str) -> "dict[str, str]":
    async with v1.session.get(path) as answer:
        return dict(answer.headers)


@pytest.mark.parametrize(("url", "said"), [("https://t.example.com", True), ("https://localhost:1", False)])
async def test_who_is_reached_by_tls_alone_says_so(tmp_path: Path, url: str, said: bool) -> None:  # noqa: FBT001
    async with running_server(tmp_path, external_url=url) as server:
        assert await strict(server) is said


async def strict(server: ServerInProcess) -> bool:
    async with server.session() as session, session.get("/v1/me") as answer:
        return answer.headers.get("Strict-Transport-Security") == "max-age=31536000"

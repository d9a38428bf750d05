"""Scripts of other sites: those of listed origins may, and no others."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tenantry.settings import WrongSettingError, read_settings
from tenantry.web.csrf import HEADER, token_of
from tests.support.application import KUBERNETES, Application
from tests.support.people import add_session, add_user, browser
from tests.support.server import running_server

LISTED, OTHER = "https://app.example.com", "https://evil.example.com"
ASKS = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,if-match"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Application]:
    """A server that lists one origin."""
    async with running_server(tmp_path, cors_origins=frozenset({LISTED})) as server, server.session() as session:
        yield Application(session, server)


async def test_a_preflight_is_answered_without_a_credential(api: Application) -> None:
    async with aiohttp.ClientSession(api.server.base_url) as stranger:
        for path in ("/v1/me", "/v1/tenants/acme", f"{KUBERNETES}/tenants/acme", "/oauth/token"):
            async with stranger.options(path, headers={"Origin": LISTED, **ASKS}) as answer:
                assert (answer.status, await answer.read()) == (204, b""), path
                headers = answer.headers
            assert headers["Access-Control-Allow-Origin"] == LISTED
            assert headers["Access-Control-Allow-Credentials"] == "true"
            assert "PATCH" in headers["Access-Control-Allow-Methods"].split(", ")
            assert set(headers["Access-Control-Allow-Headers"].split(", ")) >= {
                "Authorization",
                "Content-Type",
                "If-Match",
                "If-None-Match",
                "X-API-Key",
                "X-CSRF-Token",
                "Last-Event-ID",
            }
            assert headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", [OTHER, "null", f"{LISTED}.evil.com", LISTED.upper(), "http://app.example.com"])
async def test_another_origin_gets_nothing(api: Application, origin: str) -> None:
    for method, headers in (("OPTIONS", ASKS), ("GET", {})):
        answer = await api.call(method, "/v1/me", **{"Origin": origin, **headers})
        assert answer.status == (204 if headers else 200)
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]
        assert answer.headers["Vary"] == "Origin"


async def test_a_listed_origin_reads_answers_errors_and_streams(api: Application) -> None:
    made = await api.tenant("acme")
    watch = f"{KUBERNETES}/tenants?watch=true&resourceVersion={made['metadata']['resourceVersion']}"
    for path, status in (("/v1/tenants/acme", 200), ("/v1/tenants/nobody", 404), ("/v1/nothing", 404), (watch, 200)):
        async with api.session.get(path, headers={"Origin": LISTED}) as answer:
            assert answer.status == status
            assert answer.headers["Access-Control-Allow-Origin"] == LISTED
            shown = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
            assert {"ETag", "Retry-After", "WWW-Authenticate"} <= shown
    async with (
        aiohttp.ClientSession(api.server.base_url) as stranger,
        stranger.get("/v1/me", headers={"Origin": LISTED}) as answer,
    ):
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (401, LISTED)


async def test_pages_are_for_nobody_elses_scripts(api: Application) -> None:
    async with (
        aiohttp.ClientSession(api.server.base_url) as stranger,
        stranger.get("/login", headers={"Origin": LISTED}) as answer,
    ):
        assert answer.status == 200
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]


async def test_a_session_may_be_used_from_there_with_its_token(api: Application) -> None:
    cookie = await add_session(api.server, await add_user(api.server))
    async with browser(api.server, cookie, token=False) as tab:
        for origin, token, status in (
            (LISTED, token_of(cookie), 200),
            (LISTED, "", 403),
            (OTHER, token_of(cookie), 403),
        ):
            answer = await tab.post("/v1/me/tenant", {"tenant": ""}, **{"Origin": origin, HEADER: token})
            assert (answer.status == 403) is (status == 403), answer.body


async def test_without_the_setting_there_is_none(v1: Application) -> None:
    answer = await v1.call("OPTIONS", "/v1/me", **{"Origin": LISTED, **ASKS})
    assert answer.status == 405
    answer = await v1.get("/v1/me", Origin=LISTED)
    assert not {"Vary", "Access-Control-Allow-Origin"} & set(answer.headers)


@pytest.mark.parametrize(
    "wrong", ["*", "https://*.example.com", "https://a.example/", "a.example", "http://a.example", "https://A.example"]
)
def test_an_origin_is_exact(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("TENANTRY_CORS_ORIGINS", f"https://app.example.com, {wrong}")
    with pytest.raises(WrongSettingError, match="TENANTRY_CORS_ORIGINS: "):
        read_settings()
    monkeypatch.setenv("TENANTRY_CORS_ORIGINS", "https://app.example.com:8443, http://localhost:3000")
    assert read_settings().cors_origins == {"https://app.example.com:8443", "http://localhost:3000"}

"""The root: programs get the paths that there are, people the page that explains."""

import aiohttp

from tests.support.application import Application


async def test_the_root_tells_a_program_the_paths(v1: Application) -> None:
    told = await v1.get("/")
    assert (told.status, told.headers["Content-Type"].split(";")[0]) == (200, "application/json")
    paths = told.body["paths"]
    assert paths == sorted(paths)
    assert {"/api", "/apis", "/apis/tenantry.dev/v1alpha1", "/openapi/v3", "/version", "/docs"} <= set(paths)
    assert not [path for path in paths if "{" in path]


async def test_the_root_tells_a_stranger_the_same(v1: Application) -> None:
    """As discovery and the OpenAPI documents do: `curl http://localhost:8080/` shows where to go on."""
    async with aiohttp.ClientSession(v1.server.base_url) as http, http.get("/") as answer:
        assert (answer.status, await answer.json()) == (200, (await v1.get("/")).body)


async def test_the_root_leads_a_browser_to_the_page(v1: Application) -> None:
    accept = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    async with aiohttp.ClientSession(v1.server.base_url) as http, http.get("/", headers=accept) as answer:
        assert (answer.status, answer.url.path, answer.content_type) == (200, "/docs", "text/html")

"""The OpenAPI document of the application API, and the page that renders it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from tenantry.model.errors import Code
from tenantry.model.permissions import Permission
from tenantry.web.app import ROUTES
from tenantry.web.v1 import openapi
from tests.support.server import ServerInProcess, running_server

OPERATOR_ONLY = "/v1/clusters/"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document."""
    return openapi.document(ROUTES, "https://tenantry.example.com/t")


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(_references(child) for child in node.values()))
    return set().union(*(_references(child) for child in node)) if isinstance(node, list) else set()


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "https://tenantry.example.com/t"}]


def test_every_route_of_the_application_is_in_it(document: dict[str, Any]) -> None:
    served = {(route.method.lower(), route.path) for route in ROUTES if route.path.startswith("/v1/")}
    told = {(method, path) for method, path, _ in _operations(document)}
    assert told == {(method, path) for method, path in served if not path.startswith(OPERATOR_ONLY)}


def test_it_says_what_each_route_needs(document: dict[str, Any]) -> None:
    needs = {(route.method.lower(), route.path): route.needs for route in ROUTES}
    for method, path, operation in _operations(document):
        assert operation["security"] == [{"bearer": [str(needs[method, path])]}]
        assert Permission.PUBLIC not in operation["security"][0]["bearer"]


def test_every_operation_has_a_name_of_its_own_and_words(document: dict[str, Any]) -> None:
    operations = [operation for _, _, operation in _operations(document)]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)
    for operation in operations:
        assert operation["summary"]
        assert "{" not in operation["summary"] + operation.get("description", "")
        for parameter in operation["parameters"]:
            assert "$ref" in parameter or parameter["description"]
    for name, schema in document["components"]["schemas"].items():
        for field, node in schema.get("properties", {}).items():
            assert name in {"FieldCode", "Code"} or "$ref" in node or node.get("description"), f"{name}.{field}"


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in _references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_what_http_promises_is_told(document: dict[str, Any]) -> None:
    for method, _, operation in _operations(document):
        headers = {parameter["$ref"].rpartition("/")[2] for parameter in operation["parameters"] if "$ref" in parameter}
        assert ("IfNoneMatch" in headers) == (method == "get") == ("304" in operation["responses"])
        assert ("IdempotencyKey" in headers) == (method == "post")
        assert ("IfMatch" in headers) == ("412" in operation["responses"])


def test_every_error_code_is_in_it(document: dict[str, Any]) -> None:
    assert set(document["components"]["schemas"]["Code"]["enum"]) == set(Code)


async def test_it_is_served_to_anybody(server: ServerInProcess) -> None:
    async with server.session(anonymous=True) as session:
        async with session.get("/openapi.json") as answer:
            assert answer.status == 200
            assert await answer.json() == json.loads(json.dumps(openapi.document(ROUTES)))
            etag = answer.headers["ETag"]
        async with session.get("/openapi.json", headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304


async def test_it_names_the_url_that_clients_use(tmp_path: Path) -> None:
    url = "http://localhost:8080/prefix"
    async with (
        running_server(tmp_path, external_url=url) as server,
        server.session(anonymous=True) as session,
        session.get("/openapi.json") as answer,
    ):
        assert (await answer.json())["servers"] == [{"url": url}]


class _Page(HTMLParser):
    """What a page has and points to."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.styled = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                assert value not in self.anchors
                self.anchors.add(value or "")
            elif name in {"href", "src"}:
                self.links.append(value or "")
            self.styled |= name == "style" or name.startswith("on")


async def test_the_page_tells_of_every_operation_with_nothing_from_elsewhere(
    server: ServerInProcess, document: dict[str, Any]
) -> None:
    async with server.session(anonymous=True) as session:
        async with session.get("/docs") as answer:
            assert answer.status == 200
            policy = answer.headers["Content-Security-Policy"]
            text = await answer.text()
        page = _Page()
        page.feed(text)
        assert policy.startswith("default-src 'none'; style-src 'self'")
        assert not page.tags & {"script", "style", "img", "iframe"}
        assert not page.styled
        for _, path, operation in _operations(document):
            assert operation["operationId"] in page.anchors
            assert f"<code>{path}</code>" in text
        for link in set(page.links):
            if link.startswith("#"):
                assert link[1:] in page.anchors
            else:
                assert "//" not in link
                async with session.get(f"/{link}") as answer:
                    assert answer.status == 200

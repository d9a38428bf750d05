"""The page that tells people of the application API: the OpenAPI document, rendered without any script."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup, escape

from tenantry.model.permissions import Permission
from tenantry.web.routes import SERVICES, Route
from tenantry.web.v1 import openapi

_CODE = re.compile(r"`([^`]+)`")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def prepare(environment: jinja2.Environment) -> None:
    """Let the page's template read schemas."""
    environment.filters |= {"code": _mark_code, "type": _type_of, "anchor": _anchor_of, "paragraphs": _paragraphs}


def routes(told: tuple[Route, ...]) -> list[Route]:
    """The routes of the page that tells of ``told``."""
    rendered = ""

    async def page(request: web.Request) -> web.Response:
        nonlocal rendered  # the same for everybody, and 15 ms of work
        if not rendered:
            document = openapi.document(told, request.app[SERVICES].settings.external_url or "/")
            rendered = aiohttp_jinja2.render_string("docs.html", request, _context(document))
        return web.Response(text=rendered, content_type="text/html", headers=_HEADERS)

    return [
        Route("GET", "/docs", page, needs=Permission.PUBLIC),
        Route("GET", "/docs/docs.css", _style, needs=Permission.PUBLIC),
    ]


async def _style(request: web.Request) -> web.Response:  # noqa: ARG001 - the same for everybody
    return web.Response(text=_style_text(), content_type="text/css", headers=_HEADERS)


@cache
def _style_text() -> str:
    return (files("tenantry.web") / "static" / "docs.css").read_text()


def _context(document: dict[str, Any]) -> dict[str, Any]:
    parameters = document["components"]["parameters"]
    groups: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found = [parameters[_last(one["$ref"])] if "$ref" in one else one for one in operation["parameters"]]
            groups[operation["tags"][0]].append(
                {"method": method.upper(), "path": path, **operation, "parameters": found}
            )
    return {"document": document, "groups": groups, "schemas": document["components"]["schemas"]}


def _mark_code(text: str) -> Markup:
    """Plain text with `code` in it."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _paragraphs(text: str) -> Iterable[str]:
    return text.split("\n\n")


def _type_of(node: dict[str, Any]) -> str:
    """A schema in a word or two."""
    if "$ref" in node:
        return _last(node["$ref"])
    if "enum" in node:
        return " | ".join(str(value) or '""' for value in node["enum"])
    if "anyOf" in node:
        return " | ".join(_type_of(branch) for branch in node["anyOf"])
    if node.get("type") == "array":
        return f"list of {_type_of(node.get('items', {}))}"
    return str(node.get("type", "anything"))


def _anchor_of(node: dict[str, Any]) -> str:
    """The name of the schema that a schema points to, if it does."""
    target = node.get("items", node)
    return _last(target["$ref"]) if "$ref" in target else ""


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]

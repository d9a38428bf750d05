"""Request bodies: read within limits and parsed without surprises.

A reader that silently takes the last of two equal keys, or a number that is none, disagrees with some other reader
of the same text; so such bodies are refused, or told of.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from aiohttp import web

from tenantry.model import yamldoc
from tenantry.model.errors import Code, TenantryError
from tenantry.model.jsontree import depth_of, has_more_values, is_deeper, mend
from tenantry.model.limits import MAX_BYTES, MAX_DEPTH, MAX_VALUES
from tenantry.services.offload import offload

JSON, YAML = "application/json", "application/yaml"

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_INT64 = range(-(2**63), 2**63)


async def read(request: web.Request) -> bytes:
    """The body, at most :data:`~tenantry.model.limits.MAX_BYTES` bytes of it.

    Raises:
        TenantryError: ``TOO_LARGE``; ``UNSUPPORTED_MEDIA_TYPE``, it is compressed: unpacking costs what its sender
            does not pay.
    """
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise TenantryError(
            Code.UNSUPPORTED_MEDIA_TYPE, f"the body must not be compressed, and this one has the encoding {encoding}"
        )
    if (request.content_length or 0) > MAX_BYTES:
        raise _too_large()
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:  # a chunked body says its length by its end
        raise _too_large() from None


async def read_json(request: web.Request) -> Any:
    """The body's JSON tree.

    Raises:
        TenantryError: as :func:`read` and :func:`parse_json`, and ``BAD_REQUEST`` when it has a key twice.
    """
    body = await read(request)
    return await offload(body, _json_of, body)


async def read_object(request: web.Request) -> Any:
    """The tree of the body, which is JSON, also where nothing says so, or YAML.

    Raises:
        TenantryError: as :func:`read_json` and :func:`read_yaml`, and ``UNSUPPORTED_MEDIA_TYPE``.
    """
    if "Content-Type" not in request.headers or request.content_type == JSON:
        return await read_json(request)
    if request.content_type == YAML:
        return await read_yaml(request)
    raise TenantryError(
        Code.UNSUPPORTED_MEDIA_TYPE,
        f"the body of the request was in an unknown format - accepted media types include: {JSON}, {YAML}",
    )


async def read_yaml(request: web.Request) -> Any:
    """The tree of the body's one YAML document, which may be JSON.

    Raises:
        TenantryError: as :func:`read`, ``TOO_LARGE`` also for too many values, and ``BAD_REQUEST``, with the lines and
            what to do there.
    """
    body = await read(request)
    return await offload(body, _yaml_of, body)


def _json_of(body: bytes) -> Any:
    tree, duplicates = parse_json(body)
    if duplicates:
        raise TenantryError(Code.BAD_REQUEST, ", ".join(f'duplicate field "{path}"' for path in duplicates))
    return tree


#: names without quotes are YAML's alone
_BEGINS_AS_JSON = re.compile(rb'\s*\{\s*["}]')


def _yaml_of(body: bytes) -> Any:
    broken: TenantryError | None = None
    if body.lstrip()[:1] == b"{":  # kubectl sends JSON as YAML; what is not, may be a mapping in YAML's flow style
        try:
            return _json_of(body)
        except _SyntaxError as error:
            broken = error
    try:
        documents = yamldoc.load(body)
    except yamldoc.YamlError as error:
        if error.too_large:
            raise TenantryError(Code.TOO_LARGE, f"Request entity too large: {error}") from None
        if broken and _BEGINS_AS_JSON.match(body):
            raise broken from None
        raise TenantryError(Code.BAD_REQUEST, f"the body is not YAML as it is taken here: {error}") from None
    if len(documents) != 1:
        raise TenantryError(Code.BAD_REQUEST, f"the body must be one YAML document, and it has {len(documents)}")
    return documents[0].tree


def parse_json(body: bytes) -> tuple[Any, list[str]]:
    """The tree, and the paths (``spec.namespaces[0].name``) of keys that stand there more than once; the last counts.

    Integers beyond 64 bits are floats, and half a surrogate pair is U+FFFD, as in apimachinery.

    Raises:
        TenantryError: ``BAD_REQUEST``, it is not JSON (RFC 8259), not UTF-8, or nested deeper than 64; ``TOO_LARGE``,
            it has more than 65,536 values.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _BadJsonError(f"it is not UTF-8 at byte {error.start}") from None
    if has_more_values(text, MAX_VALUES):
        if is_deeper(text, MAX_DEPTH):  # then kube-apiserver speaks of that
            raise _too_deep()
        message = f"it has more than {MAX_VALUES} values: take something out of it, or make two of it"
        raise TenantryError(Code.TOO_LARGE, f"Request entity too large: {message}")
    duplicates = _Duplicates()
    try:
        tree = json.loads(
            text,
            object_pairs_hook=duplicates.note,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise _SyntaxError(f"{error.msg} in line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    # only a text with so many brackets can be so deep
    if text.count("{") + text.count("[") > MAX_DEPTH and depth_of(tree) > MAX_DEPTH:
        raise _too_deep()
    paths = list(_paths(tree, duplicates.keys)) if duplicates.keys else []
    return mend(tree) if _SURROGATE.search(text) else tree, paths


class _Duplicates:
    """Objects that had a key twice; looked for by identity in the tree afterwards, because it is rare."""

    def __init__(self) -> None:
        self.keys: dict[int, list[str]] = {}

    def note(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        tree = dict(pairs)
        if len(tree) != len(pairs):
            seen: set[str] = set()
            again = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
            self.keys[id(tree)] = list(dict.fromkeys(again))
        return tree


def _paths(tree: Any, keys: dict[int, list[str]], at: str = "") -> Iterator[str]:
    if isinstance(tree, dict):
        prefix = f"{at}." if at else ""
        for key in keys.get(id(tree), ()):
            yield f"{prefix}{key}"
        for key, value in tree.items():
            yield from _paths(value, keys, f"{prefix}{key}")
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _paths(value, keys, f"{at}[{index}]")


def _integer(text: str) -> int | float:
    if len(text) > 20:  # noqa: PLR2004 - the digits and sign of the smallest 64-bit integer
        return _float(text)
    number = int(text)
    return number if number in _INT64 else float(number)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _BadJsonError(f"the number {text[:32]} is too large")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise _BadJsonError(f"{text} is not JSON")


class _BadJsonError(TenantryError):
    def __init__(self, message: str) -> None:
        super().__init__(Code.BAD_REQUEST, f"the body is not JSON as it is taken here: {message}")


class _SyntaxError(_BadJsonError):
    """It is no JSON at all, and may be YAML."""


def _too_deep() -> TenantryError:
    return _BadJsonError(f"it is nested more than {MAX_DEPTH} deep")


def _too_large() -> TenantryError:
    return TenantryError(Code.TOO_LARGE, f"Request entity too large: limit is {MAX_BYTES} bytes")

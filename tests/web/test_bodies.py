"""Request bodies: limits, and what readers of JSON and YAML would disagree on."""

import gzip
import io
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st

from tenantry.model.errors import Code, TenantryError
from tenantry.model.limits import MAX_BYTES
from tenantry.model.permissions import Permission
from tenantry.web import bodies
from tenantry.web.routes import Route
from tests.support.server import running_server


@pytest.mark.parametrize(
    ("body", "tree"),
    [
        (b"{}", {}),
        (b' {"a": [1, -2.5, true, null, "\\u00fc"]} ', {"a": [1, -2.5, True, None, "ü"]}),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"9223372036854775808", float(2**63)),  # apimachinery: beyond 64 bits a number is a float
        (rb'{"\ud83d\ude00 \ud800": "\udc00"}', {"\U0001f600 \ufffd": "\ufffd"}),  # apimachinery: half a pair is U+FFFD
        (b"1" + b"0" * 300, 1e300),
        (b'{"a":' * 64 + b"1" + b"}" * 64, None),
        (b'["[[[[' + b"[" * 1000 + b'"]', ["[[[[" + "[" * 1000]),
    ],
)
def test_json_that_is_read(body: bytes, tree: Any) -> None:
    found, duplicates = bodies.parse_json(body)
    assert duplicates == []
    assert tree is None or (found == tree and type(found) is type(tree))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Expecting value in line 1, column 1"),
        (b"{", "Expecting property name"),
        (b'{"a": 1,}', "Expecting property name"),
        (b'{"a"\n: x}', "in line 2, column 3"),
        (b'{"a": 1} {}', "Extra data"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b'{"a": "\xfc"}', "not UTF-8 at byte 7"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e400]", "too large"),
        (b"1" + b"0" * 400, "too large"),
        (b"1" + b"0" * 100_000, "too large"),
        (b"[" * 65 + b"]" * 65, "nested more than 64 deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested more than 64 deep"),
        (b"[" * 500_000, "nested more than 64 deep"),
        (b"[" * 500_000 + b"]" * 500_000, "nested more than 64 deep"),
    ],
)
def test_json_that_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(TenantryError) as caught:
        bodies.parse_json(body)
    assert caught.value.code is Code.BAD_REQUEST
    assert message in caught.value.message


def test_duplicate_keys_are_told_by_their_paths_and_the_last_counts() -> None:
    body = b'{"spec": {"a": 1, "n": [{}, {"x": 1, "x": 2, "x": 3}], "a": 2}, "kind": "A", "kind": "B"}'
    tree, duplicates = bodies.parse_json(body)
    assert duplicates == ["kind", "spec.a", "spec.n[1].x"]
    assert tree == {"spec": {"a": 2, "n": [{}, {"x": 3}]}, "kind": "B"}


def test_a_duplicate_in_what_a_duplicate_replaced_is_told_of_the_outer_key() -> None:
    tree, duplicates = bodies.parse_json(b'{"a": {"b": 1, "b": 2}, "a": {}}')
    assert (tree, duplicates) == ({"a": {}}, ["a"])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@pytest.mark.slow
@given(JSON)
def test_any_json_is_read_as_written(tree: Any) -> None:
    assert bodies.parse_json(orjson.dumps(tree)) == (tree, [])


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        bodies.parse_json(body)
    except TenantryError as error:
        assert error.code is Code.BAD_REQUEST  # noqa: PT017 - most bytes are refused, some are not


async def _echo_json(request: web.Request) -> web.Response:
    return web.json_response(await bodies.read_json(request))


async def _echo_yaml(request: web.Request) -> web.Response:
    return web.json_response(await bodies.read_yaml(request))


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[ClientSession]:
    """A client of a server that sends back what it read."""
    routes = [
        Route("POST", "/json", _echo_json, needs=Permission.PUBLIC),
        Route("POST", "/apis/yaml", _echo_yaml, needs=Permission.PUBLIC),
    ]
    async with running_server(tmp_path, routes) as server, server.session(anonymous=True) as client:
        yield client


async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(session: ClientSession) -> None:
    largest = b'"' + b"x" * (MAX_BYTES - 2) + b'"'
    async with session.post("/json", data=io.BytesIO(largest)) as answer:
        assert answer.status == 200
    async with session.post("/json", data=io.BytesIO(largest + b" ")) as answer:
        assert answer.status == 413
        assert (await answer.json())["detail"] == "Request entity too large: limit is 1572864 bytes"


async def test_a_chunked_body_has_the_same_limit(session: ClientSession) -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        yield b'"'
        for _ in range(size // 65536):
            yield b"x" * 65536
        yield b'"'

    async with session.post("/json", data=chunks(1 << 20)) as answer:
        assert answer.status == 200
    async with session.post("/apis/yaml", data=chunks(1 << 21)) as answer:
        assert answer.status == 413
        assert (await answer.json())["reason"] == "RequestEntityTooLarge"


@pytest.mark.slow
@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_body_is_refused_unopened(session: ClientSession, encoding: str, pack: Any) -> None:
    bomb = pack(b"[" + b" " * 50_000_000 + b"]")
    async with session.post("/json", data=bomb, headers={"Content-Encoding": encoding}) as answer:
        assert answer.status == 415
        assert encoding in (await answer.json())["detail"]


async def test_duplicate_keys_are_refused_with_their_paths(session: ClientSession) -> None:
    async with session.post("/json", data=b'{"a": {"b": 1, "b": 1}}') as answer:
        assert answer.status == 400
        assert (await answer.json())["detail"] == 'duplicate field "a.b"'


async def test_yaml_is_read_or_refused_with_its_lines(session: ClientSession) -> None:
    headers = {"Content-Type": "application/apply-patch+yaml"}
    async with session.post("/apis/yaml", data=b"a:\n- 1\n", headers=headers) as answer:
        assert await answer.json() == {"a": [1]}
    async with session.post("/apis/yaml", data=b'{"a": 0.5, "b": "on"}', headers=headers) as answer:
        assert await answer.json() == {"a": 0.5, "b": "on"}
    async with session.post("/apis/yaml", data=b"\n{a: &x [1], b: {c: *x, 'd': \"e\"}}", headers=headers) as answer:
        assert await answer.json() == {"a": [1], "b": {"c": [1], "d": "e"}}
    for body in (b'{"a": 1, "a": 2}', b'{a: 1, "a": 2}', b"{a: yes}", b"{a: [}", b"{" * 9, b"{a: " * 99 + b"}" * 99):
        async with session.post("/apis/yaml", data=body, headers=headers) as answer:
            assert answer.status == 400, await answer.text()
    async with session.post("/apis/yaml", data=b"a: 1\nb: yes\n", headers=headers) as answer:
        assert answer.status == 400
        assert "line 2: yes is a boolean to some readers of YAML" in (await answer.json())["message"]
    async with session.post("/apis/yaml", data=b"a: 1\n---\nb: 2\n", headers=headers) as answer:
        assert (await answer.json())["message"] == "the body must be one YAML document, and it has 2"

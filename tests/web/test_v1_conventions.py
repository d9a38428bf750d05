"""What holds for everything below /v1: bodies, parameters, headers, and names that no object can have."""

import io
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tenantry.model.permissions import Permission
from tenantry.services import answers
from tenantry.web.v1.conventions import Call, Nothing, Reply, endpoint
from tests.support.application import KUBERNETES, Answer, Application
from tests.support.server import running_server

KEYS = "/v1/keys"
NEW = '{"name": "ci", "scopes": ["platform:read"]}'
JSON = "application/json"
NAMES = ("x" * 254, "x" * 4000, "Ünïcödé", "\U0001f600", "a b", "\x00", "'; --", "%", "..", "ACME", "acme ")


async def _send(api: Application, body: bytes, content_type: str = JSON) -> Answer:
    async with api.session.post(KEYS, data=io.BytesIO(body), headers={"Content-Type": content_type}) as answer:
        return Answer(status=answer.status, headers=answer.headers, body=await answer.json(content_type=None))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"", 400, "bad_request", id="empty"),
        pytest.param(b"{", 400, "bad_request", id="cut off"),
        pytest.param(NEW.encode()[:-1] + b', "name": "x"}', 400, "bad_request", id="a key twice"),
        pytest.param(b'{"name": "\xff"}', 400, "bad_request", id="not UTF-8"),
        pytest.param(b"[" * 65 + b"]" * 65, 400, "bad_request", id="deep"),
        pytest.param(b"[" * 100_000, 400, "bad_request", id="very deep"),
        pytest.param(b'{"name": NaN}', 400, "bad_request", id="not a number"),
        pytest.param(b"[]", 422, "invalid", id="a list"),
        pytest.param(b"null", 422, "invalid", id="null"),
        pytest.param(b'{"name": "' + b"x" * (3 << 19) + b'"}', 413, "too_large", id="too large"),
    ],
)
async def test_a_bad_body_is_told_and_not_done(v1: Application, body: bytes, status: int, code: str) -> None:
    refused = await _send(v1, body)
    assert (refused.status, refused.code) == (status, code), refused.body
    assert refused.body["detail"]
    if code == "invalid":
        assert [error["message"] for error in refused.body["errors"]] == ["must be a JSON object"]
    assert len(await v1.items(KEYS)) == 1


async def test_only_json_is_taken(v1: Application) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/json-patch+json", ""):
        assert (await _send(v1, NEW.encode(), content_type)).code == "unsupported_media_type"
    assert (await _send(v1, NEW.encode(), "application/json; charset=utf-8")).status == 201


async def test_a_body_may_be_left_out_where_nothing_must_be_said(v1: Application) -> None:
    await v1.tenant("acme")
    bodies: tuple[Any, ...] = (None, {})
    for body in bodies:
        assert (await v1.post("/v1/tenants/acme/revisions/1:rollback", body)).status == 200
    missing = await v1.post(KEYS)
    assert missing.status == 415  # what is sent must say what it is


async def test_if_match_is_refused_where_it_has_no_meaning(v1: Application) -> None:
    refused = await v1.post(KEYS, {"name": "ci", "scopes": ["platform:read"]}, if_match="*")
    assert (refused.status, refused.code) == (400, "bad_request")


async def test_who_may_not_is_told_what_is_missing(v1: Application) -> None:
    async with v1.as_key("platform:read") as key:
        refused = await key.post(KEYS, {})
        assert refused.body["detail"].endswith(
            f' cannot post path "{KEYS}": the permission keys:write is missing, which comes with the scope '
            "platform:admin or keys:write"
        )
        refused = await key.get("/v1/users")
        assert refused.body["detail"].endswith(
            ' cannot get path "/v1/users": the permission users:read is missing, which comes with the scope '
            "platform:admin"
        )
        refused = await key.get("/v1/me/sessions")
        assert refused.body["detail"].endswith(' cannot get path "/v1/me/sessions": only a person who is signed in may')


async def test_in_a_tenant_nobody_is_told_to_get_what_only_the_platform_has(v1: Application) -> None:
    tenant_id = (await v1.tenant("acme"))["status"]["tenantID"]
    async with v1.as_key("resources:read", tenant_id=tenant_id) as key:
        refused = await key.post("/v1/tenants/acme/keys", {})
        assert refused.body["detail"] == (
            'you cannot post path "/v1/tenants/acme/keys": the permission keys:write is missing, which comes with the '
            "scope keys:write"
        )
        assert refused.headers["WWW-Authenticate"].endswith('scope="keys:write"')
        refused = await key.get("/v1/users")
        assert refused.body["detail"] == (
            'you cannot get path "/v1/users": the permission users:read is missing, which nobody has in a tenant: it '
            "is for the platform"
        )
        assert "WWW-Authenticate" not in refused.headers


async def test_an_idempotency_key_belongs_to_its_operation(v1: Application) -> None:
    await v1.tenant("acme")
    made = await v1.post(KEYS, {"name": "ci", "scopes": ["platform:read"]}, idempotency_key="k")
    assert made.status == 201
    assert (await v1.post("/v1/tenants/acme/revisions/1:rollback", idempotency_key="k")).status == 200


async def test_a_replay_says_what_the_first_answer_said(tmp_path: Path) -> None:
    async def make(call: Call[Nothing, Nothing]) -> Reply:
        """Make one."""
        seq = str(next(numbers))
        reply = Reply(body=f'{{"number":{seq}}}', etag=seq, location=f"/v1/ones/{seq}")
        await answers.keep(call.services.db, call.once(lambda _: reply), None)
        return reply

    numbers = count(1)
    route = endpoint("POST", "/v1/ones", make, needs=Permission.AUTHENTICATED, answer=Nothing, status=201)
    async with running_server(tmp_path, [route]) as server, server.session() as session:
        api = Application(session, server)
        first, again, other = [await api.post("/v1/ones", idempotency_key=key) for key in ("a", "a", "b")]
    own = {"Date", "X-Request-ID"}
    assert (again.status, again.body) == (first.status, first.body) == (201, {"number": 1})
    assert {k: v for k, v in again.headers.items() if k not in own} == {
        k: v for k, v in first.headers.items() if k not in own
    }
    assert (again.etag, again.headers["Location"]) == ('"1"', "/v1/ones/1")
    assert other.headers["Location"] == "/v1/ones/2"


async def test_a_refused_request_is_not_kept(v1: Application) -> None:
    await v1.tenant("acme")
    path = "/v1/tenants/acme/revisions/2:rollback"
    assert (await v1.post(path, idempotency_key="k")).code == "not_found"
    await v1.patch("tenants/acme", {"spec": {"displayName": "Two"}})
    assert (await v1.post(path, idempotency_key="k")).status == 200


async def test_names_that_no_object_has_are_not_found_on_any_database(stored_v1: Application) -> None:
    await stored_v1.tenant("acme")
    for name in NAMES:
        part = quote(name, safe="")
        for path in (
            f"/v1/tenants/{part}",
            f"/v1/tenants/{part}/revisions",
            f"/v1/tenants/{part}/explain",
            f"/v1/namespaces/{part}/configs/{part}",
            f"/v1/tombstones/{part}",
            f"/v1/keys/{part}",
            f"{KUBERNETES}/tenants/{part}",
        ):
            answer = await stored_v1.get(path)
            assert answer.status == 404, (path, answer.body)
        for path in (f"/v1/audit?name={part}&actor={part}", f"/v1/namespaces/{part}/configs"):
            answer = await stored_v1.get(path)
            assert answer.status in {200, 400}, (path, answer.body)
            assert answer.status == 400 or answer.body["items"] == []


async def test_who_has_no_credential_sees_nothing(v1: Application) -> None:
    async with v1.server.session(anonymous=True) as stranger:
        for path in ("/v1/tenants", "/v1/audit", KEYS, "/v1/tombstones", "/v1/tenants/acme/explain"):
            async with stranger.get(path) as answer:
                assert answer.status == 401
                assert answer.content_type == "application/problem+json"
                assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        async with stranger.get("/v1/nothing") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")

"""Errors as answers: the two styles, kube-apiserver's words, and what strangers are told."""

import logging
import re
from typing import Any

import pytest
from aiohttp import ClientPayloadError, web

from tenantry.model.credentials import Prefix, new_token
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.permissions import Permission
from tenantry.web import errors, rendering
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.routes import Cookie, Route
from tests.support.server import ServerInProcess, running_server

TENANTS = "/apis/tenantry.dev/v1alpha1/tenants"
GONE = FieldError("spec.a", FieldCode.REQUIRED, "Required value")
WRONG = FieldError("spec.b[0]", FieldCode.INVALID, 'Invalid value: "x": must be y')

#: what apimachinery's constructors (pkg/api/errors) make of the same facts
STATUSES: list[tuple[TenantryError, dict[str, Any]]] = [
    (
        TenantryError(Code.NOT_FOUND, "ours", kind="Tenant", name="x"),
        {
            "message": 'tenants.tenantry.dev "x" not found',
            "reason": "NotFound",
            "details": {"name": "x", "group": "tenantry.dev", "kind": "tenants"},
            "code": 404,
        },
    ),
    (
        TenantryError(Code.ALREADY_EXISTS, "ours", kind="Plan", name='a"b'),
        {
            "message": 'plans.tenantry.dev "a\\"b" already exists',
            "reason": "AlreadyExists",
            "details": {"name": 'a"b', "group": "tenantry.dev", "kind": "plans"},
            "code": 409,
        },
    ),
    (
        TenantryError(
            Code.CONFLICT,
            "the object has been modified; please apply your changes to the latest version and try again",
            kind="Tenant",
            name="x",
        ),
        {
            "message": 'Operation cannot be fulfilled on tenants.tenantry.dev "x": the object has been modified; '
            "please apply your changes to the latest version and try again",
            "reason": "Conflict",
            "details": {"name": "x", "group": "tenantry.dev", "kind": "tenants"},
            "code": 409,
        },
    ),
    (
        TenantryError(Code.INVALID, "ours", [GONE, WRONG, GONE], kind="Tenant", name="x"),
        {
            "message": 'Tenant.tenantry.dev "x" is invalid: [spec.a: Required value, '
            'spec.b[0]: Invalid value: "x": must be y]',
            "reason": "Invalid",
            "details": {
                "name": "x",
                "group": "tenantry.dev",
                "kind": "Tenant",
                "causes": [
                    {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.a"},
                    {"reason": "FieldValueInvalid", "message": 'Invalid value: "x": must be y', "field": "spec.b[0]"},
                    {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.a"},
                ],
            },
            "code": 422,
        },
    ),
    (
        TenantryError(Code.INVALID, "ours", [GONE], kind="Config", name="x"),
        {
            "message": 'Config.tenantry.dev "x" is invalid: spec.a: Required value',
            "reason": "Invalid",
            "details": {
                "name": "x",
                "group": "tenantry.dev",
                "kind": "Config",
                "causes": [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.a"}],
            },
            "code": 422,
        },
    ),
    (
        TenantryError(Code.FORBIDDEN, "no", kind="Tenant"),
        {
            "message": "tenants.tenantry.dev is forbidden: no",
            "reason": "Forbidden",
            "details": {"group": "tenantry.dev", "kind": "tenants"},
            "code": 403,
        },
    ),
    (
        TenantryError(Code.IN_USE, "tenants on this plan: acme", kind="Plan", name="pro"),
        {
            "message": 'plans.tenantry.dev "pro" is forbidden: tenants on this plan: acme',
            "reason": "Forbidden",
            "details": {
                "name": "pro",
                "group": "tenantry.dev",
                "kind": "plans",
                "causes": [{"reason": "InUse", "message": "tenants on this plan: acme"}],
            },
            "code": 403,
        },
    ),
    (
        TenantryError(Code.FORBIDDEN, 'User "u" cannot get path "/x"'),
        {"message": 'User "u" cannot get path "/x"', "reason": "Forbidden", "code": 403},
    ),
    (
        TenantryError(Code.TIMEOUT, "Too large resource version: 9, current: 3", retry_after=1),
        {
            "message": "Timeout: Too large resource version: 9, current: 3",
            "reason": "Timeout",
            "details": {"retryAfterSeconds": 1},
            "code": 504,
        },
    ),
    (
        TenantryError(Code.EXPIRED, "too old resource version: 1 (5)"),
        {"message": "too old resource version: 1 (5)", "reason": "Expired", "code": 410},
    ),
]


@pytest.mark.parametrize(("error", "expected"), STATUSES, ids=lambda value: getattr(value, "code", ""))
def test_a_status_has_the_words_of_kube_apiserver(error: TenantryError, expected: dict[str, Any]) -> None:
    always = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    assert errors.status_of(error) == always | expected


def test_a_problem_has_the_members_of_rfc_9457_and_ours() -> None:
    problem = errors.problem_of(TenantryError(Code.INVALID, "two fields are wrong", [GONE, WRONG]), "r-1")
    assert problem == {
        "type": "https://tenantry.dev/errors/invalid",
        "title": "Invalid",
        "status": 422,
        "detail": "two fields are wrong",
        "code": "invalid",
        "errors": [
            {"path": "spec.a", "code": "FieldValueRequired", "message": "Required value"},
            {"path": "spec.b[0]", "code": "FieldValueInvalid", "message": 'Invalid value: "x": must be y'},
        ],
        "request_id": "r-1",
    }


def test_every_code_has_an_answer() -> None:
    assert set(errors.TABLE) == set(Code)


@pytest.mark.parametrize(
    ("path", "kubernetes"),
    [
        ("/apis", True),
        ("/apis/tenantry.dev", True),
        ("/api", True),
        ("/api/v1/pods", True),
        ("/version", True),
        ("/openapi/v2", True),
        ("/openapi/v3", True),
        ("/openapi.json", False),
        ("/apishop", False),
        ("/v1/me", False),
        ("/", True),
    ],
)
def test_which_paths_speak_kubernetes(path: str, kubernetes: bool) -> None:  # noqa: FBT001 - a table
    assert errors.is_kubernetes(path) is kubernetes


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/login/with/corp", 405), ("/invite/tni_x_y", 404)])
async def test_a_browser_is_shown_a_page_that_leads_on(server: ServerInProcess, path: str, status: int) -> None:
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with server.session(anonymous=True) as session, session.get(path, headers=accept) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")
        assert ("Allow" in answer.headers) == (status == 405)
        text = await answer.text()
        assert 'href="/login">To the sign-in</a>' in text
        assert answer.headers["X-Request-ID"] in text
        assert "requested resource" not in text  # which is for programs
    async with server.session(anonymous=True) as session, session.get("/v1/nowhere", headers=accept) as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize("message", ["the client is not known", "the client is not known."])
def test_a_sentence_has_one_full_stop(message: str) -> None:
    assert rendering.sentence(message) == "The client is not known."


async def test_an_unknown_path_is_answered_in_the_style_of_its_surroundings(server: ServerInProcess) -> None:
    async with server.session() as session:
        async with session.get("/apis/tenantry.dev/v1alpha1/unknowns") as answer:
            assert (answer.status, answer.content_type) == (404, "application/json")
            status = await answer.json()
            assert (status["kind"], status["reason"]) == ("Status", "NotFound")
            assert status["message"] == "the server could not find the requested resource"
        async with session.get("/v1/unknown") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
            problem = await answer.json()
            assert problem["code"] == "not_found"
            assert problem["request_id"] == answer.headers["X-Request-ID"]


async def test_a_wrong_method_says_which_are_right(server: ServerInProcess) -> None:
    async with server.session() as session:
        async with session.put("/v1/me") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD,PATCH")
            assert (await answer.json())["code"] == "method_not_allowed"
        async with session.put(TENANTS) as answer:
            assert answer.status == 405
            assert (await answer.json())["reason"] == "MethodNotAllowed"


async def test_a_client_is_told_in_the_characters_of_oauth(server: ServerInProcess) -> None:
    """RFC 6749, 5.2."""
    async with (
        server.session(anonymous=True) as session,
        session.post("/oauth/token", headers={"Host": 'a"b\\\u00e4'}) as answer,
    ):
        told = await answer.json()
    assert re.match(r"this server does not answer for the host a\?b\?+: ", told["error_description"])


async def test_a_stranger_is_asked_for_a_credential(server: ServerInProcess) -> None:
    async with server.session(anonymous=True) as session:
        for path in (TENANTS, "/apis/unknown", "/v1/me"):
            async with session.get(path) as answer:
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tenantry"'
        async with session.get("/v1/unknown") as answer:
            assert answer.status == 404
        cookie, _, _ = new_token(Prefix.SESSION)
        async with session.get("/v1/me", headers={"Cookie": f"{SESSION_COOKIE}={cookie}"}) as answer:
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="tenantry"')


async def _fail(_: web.Request) -> web.Response:
    raise RuntimeError("the password is hunter2")


async def _fail_late(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first\n")
    raise RuntimeError("too late for an answer")


async def _redirect(_: web.Request) -> web.Response:
    raise web.HTTPFound("/v1/me")


ROUTES = [
    Route("GET", "/fail", _fail, needs=Permission.PUBLIC),
    Route("GET", "/apis/fail", _fail, needs=Permission.PUBLIC),
    Route("GET", "/page", _fail, needs=Permission.PUBLIC, session=Cookie.FORM),
    Route("GET", "/late", _fail_late, needs=Permission.PUBLIC),
    Route("GET", "/redirect", _redirect, needs=Permission.PUBLIC),
]


@pytest.mark.parametrize(
    ("path", "content_type"), [("/fail", "text/html"), ("/page", "text/html"), ("/apis/fail", "application/json")]
)
async def test_an_unexpected_error_is_a_page_to_people(tmp_path: Any, path: str, content_type: str) -> None:
    async with (
        running_server(tmp_path, ROUTES) as server,
        server.session(anonymous=True) as session,
        session.get(path, headers={"Accept": "text/html,*/*;q=0.8"}) as answer,
    ):
        text = await answer.text()
        assert (answer.status, answer.content_type) == (500, content_type)
        assert answer.headers["X-Request-ID"] in text
        assert "hunter2" not in text
        assert ("Something went wrong here" in text) == (content_type == "text/html")
        assert ('href="/login">To the sign-in</a>' in text) == (content_type == "text/html")


@pytest.mark.parametrize("path", ["/fail", "/apis/fail"])
async def test_an_unexpected_error_is_logged_and_tells_the_client_nothing(
    tmp_path: Any, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    async with (
        running_server(tmp_path, ROUTES) as server,
        server.session(anonymous=True) as session,
        session.get(path) as answer,
    ):
        assert answer.status == 500
        assert "hunter2" not in await answer.text()
        assert answer.headers["X-Request-ID"] in await answer.text()
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert "hunter2" in str(record.exc_info[1])


async def test_an_error_in_a_stream_cuts_the_stream_off(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        running_server(tmp_path, ROUTES) as server,
        server.session(anonymous=True) as session,
        session.get("/late") as answer,
    ):
        assert answer.status == 200
        assert "X-Request-ID" in answer.headers
        with pytest.raises(ClientPayloadError):
            await answer.read()
    assert "too late for an answer" in str([record.exc_info for record in caplog.records])


async def test_a_redirect_is_not_an_error(tmp_path: Any) -> None:
    async with (
        running_server(tmp_path, ROUTES) as server,
        server.session(anonymous=True) as session,
        session.get("/redirect", allow_redirects=False) as answer,
    ):
        assert (answer.status, answer.headers["Location"]) == (302, "/v1/me")

"""What it costs to know who sends a request, and to give out tokens."""

from __future__ import annotations

import statistics
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey

from tenantry.model import ids
from tenantry.model.credentials import Prefix, new_token
from tenantry.model.identity import Actor, Session, User
from tenantry.model.oauth import OAuthClient
from tenantry.services.encryption import Encryption
from tenantry.services.oauth.grants import OAuthStore
from tenantry.storage import sessions, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.bench.load import Result, drive, request
from tests.bench.report import Report, Row
from tests.bench.server import Target, session
from tests.support.oauth import CALLBACK
from tests.support.oauth_http import CHALLENGE, VERIFIER

ROUNDS = 12  # many short ones: other guests of the machine make it a quarter slower for seconds at a time
SECONDS = 0.3
EXCHANGES = 3
CODES = 2000  # for a second of exchanges
SCOPES = ("openid", "offline_access", "resources:read")
FORM = "application/x-www-form-urlencoded"


async def identity(target: Target, report: Report) -> None:
    """A token's way through the middleware against nobody's; tokens got, looked into, and exchanged for a code."""
    async with session(target) as http:
        body = {
            "name": "Bench",
            "grantTypes": ["authorization_code", "refresh_token", "client_credentials"],
            "scopes": list(SCOPES),
            "redirectURIs": [CALLBACK],
            "firstParty": True,
        }
        async with http.post("/v1/clients", json=body) as answer:
            made = await answer.json()
        key = {"name": "bench", "scopes": ["platform:read"]}
        async with http.post("/v1/keys", json=key) as answer:
            api_key = (await answer.json())["token"]
    client_id = made["client"]["id"]
    basic = b64encode(f"{client_id}:{made['clientSecret']}".encode()).decode()

    def post(path: str, **form: str) -> bytes:
        return request("POST", path, basic=basic, body=urlencode(form).encode(), content_type=FORM)

    token = await _token(target, post("/oauth/token", grant_type="client_credentials"))
    public = request("GET", "/bench/public/512")
    by_token = request("GET", "/bench/constant/512", token=token)
    by_key = request("GET", "/bench/constant/512", token=api_key)
    issue = post("/oauth/token", grant_type="client_credentials")
    look = post("/oauth/introspect", token=token)
    nobody, bearer, opaque, issued, looked = await _rounds(target, public, by_token, by_key, issue, look)
    baseline = _cpu(nobody)
    for name, results, bound in (("by access token", bearer, ">= 0.9"), ("by API key", opaque, ">= 0.7")):
        value = _cpu(results)
        row = Row(
            name=name,
            backend=target.backend,
            value=value,
            unit="us CPU",
            baseline=baseline,
            ratio=baseline / value,
            target=bound,
        )
        report.add(row)
    report.add(Row(name="RS256 signature", backend=target.backend, value=_signing(), unit="ms CPU"))
    for name, results, bound in (("client credentials", issued, "<= 1.5"), ("introspection", looked, "<= 0.30")):
        report.add(Row(name=name, backend=target.backend, value=_cpu(results) / 1000, unit="ms CPU", target=bound))
    exchanged = []
    for _ in range(EXCHANGES):
        codes = iter(await _codes(target, client_id))
        form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}

        def exchange(_: int, codes: Iterator[str] = codes, form: dict[str, str] = form) -> bytes:
            return post("/oauth/token", code=next(codes), **form)

        exchanged.append(await _drive(target, exchange, seconds=1.0))
    value = _cpu(exchanged) / 1000
    report.add(Row(name="code exchange", backend=target.backend, value=value, unit="ms CPU", target="<= 6"))


async def _rounds(target: Target, *requests: bytes) -> list[list[Result]]:
    """Each request's results over :data:`ROUNDS` interleaved rounds, after a warm-up."""
    results: list[list[Result]] = [[] for _ in requests]
    for number in range(ROUNDS + 1):
        for sent, found in zip(requests, results, strict=True):
            result = await _drive(target, lambda _, sent=sent: sent)  # type: ignore[misc]
            if number:
                found.append(result)
    return results


async def _drive(target: Target, make: Callable[[int], bytes], seconds: float = SECONDS) -> Result:
    result = await drive(target.url, target.pid, make, seconds=seconds)
    if set(result.statuses) != {200}:
        raise RuntimeError(f"the server answered {result.statuses}")
    return result


async def _token(target: Target, sent: bytes) -> str:
    """An access token, by a request as the load sends it."""
    headers, _, body = sent.partition(b"\r\n\r\n")
    authorization = next(line for line in headers.decode().splitlines() if line.startswith("Authorization"))
    named = {"Authorization": authorization.partition(": ")[2], "Content-Type": FORM}
    async with session(target) as http, http.post("/oauth/token", data=body, headers=named) as answer:
        return str((await answer.json())["access_token"])


async def _codes(target: Target, client_id: str) -> list[str]:
    """Fresh codes of a user who is signed in, written into the database beside the server."""
    now = ids.now_micros()
    user = User(id=ids.uuid7(), email=f"{ids.uuid7()}@example.com", created_at=now, updated_at=now)
    _, session_id, secret_sha = new_token(Prefix.SESSION)
    signed_in = Session(
        id=session_id,
        secret_sha=secret_sha,
        user_id=user.id,
        auth_version=1,
        amr=("pwd",),
        auth_time=now,
        created_at=now,
        last_seen_at=now,
    )

    def write(unit: Unit) -> list[str]:
        users.insert(unit, user)
        sessions.insert(unit, signed_in)
        store = OAuthStore(unit, Actor(name="bench"), Encryption([]))
        client = OAuthClient(id=client_id, name="bench")
        details = {"redirect_uri": CALLBACK, "challenge": CHALLENGE, "nonce": "nonce"}
        return [store.add_code(signed_in, client, SCOPES, **details) for _ in range(CODES)]

    database = await Database.open(target.database_url)
    try:
        return await database.run(write, write=True)
    finally:
        await database.close()


def _signing() -> float:
    """Milliseconds that one signature takes."""
    key, claims = RSAKey.generate_key(2048), {"sub": "x" * 200}
    start = time.process_time()
    for _ in range(200):
        jwt.encode({"alg": "RS256"}, claims, key, ["RS256"])
    return (time.process_time() - start) / 200 * 1000


def _cpu(results: list[Result]) -> float:
    return statistics.median(result.cpu_us for result in results)

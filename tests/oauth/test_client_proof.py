"""How clients prove who they are at every endpoint that asks them to, and what becomes of those who do not."""

import json
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from peewee import SQL, fn

from tenantry import logs
from tenantry.model import ids
from tenantry.model.credentials import Prefix, new_token
from tenantry.model.oauth import CLI
from tenantry.services.throttle import CLIENTS
from tenantry.storage import tables
from tenantry.storage.statement import Statement
from tenantry.storage.unit import Unit
from tenantry.web.oauth.server import ASSERTION_TYPE
from tests.support.application import KUBERNETES, Application
from tests.support.oauth import add_client
from tests.support.oauth_http import Sent, Wire, error
from tests.support.server import running_server

OPEN = "openid offline_access resources:read"


@pytest.mark.slow
@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + b64encode(b"no colon").decode(),
        "Basic " + b64encode(b"a\0b:c\nd").decode(),
        "Basic \u00e9\u00e8",
    ],
)
async def test_a_header_that_is_no_basic_is_a_bad_request(wire: Wire, header: str) -> None:
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/device_authorization"):
        sent = await wire.call(
            "POST", path, data={"grant_type": "client_credentials"}, headers={"Authorization": header}
        )
        assert error(sent) == (400, "invalid_request")


@pytest.mark.parametrize("header", ["Bearer x", "Digest x", "x"])
async def test_another_scheme_than_basic_proves_nothing(wire: Wire, header: str) -> None:
    """RFC 6749, 5.2: 401, and with the challenge."""
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/device_authorization"):
        sent = await wire.call(
            "POST", path, data={"grant_type": "client_credentials"}, headers={"Authorization": header}
        )
        assert error(sent) == (401, "invalid_client")
        assert sent.headers["WWW-Authenticate"] == 'Basic realm="tenantry"'


async def test_a_client_proves_itself_in_one_way(wire: Wire) -> None:
    both = await wire.post("/oauth/token", grant_type="client_credentials", client_secret=wire.secret)
    assert error(both) == (400, "invalid_request")
    other = await wire.post("/oauth/token", grant_type="client_credentials", client_id="another")
    assert error(other) == (400, "invalid_request")


async def test_who_does_not_prove_itself_learns_nothing(wire: Wire) -> None:
    answers = [
        await Wire(wire.http, client_id, secret).post("/oauth/token", grant_type="client_credentials")
        for client_id, secret in ((wire.client_id, "wrong"), ("A" * 16, "wrong"), ("?", "wrong"), (wire.client_id, ""))
    ]
    assert {error(sent) for sent in answers} == {(401, "invalid_client")}
    assert {sent.headers["WWW-Authenticate"] for sent in answers} == {'Basic realm="tenantry"'}
    assert len({sent.text for sent in answers}) == 1


class Assertions:
    """Makes assertions of a client."""

    def __init__(self, client_id: str, issuer: str, key: RSAKey) -> None:
        self.key = key
        now = int(time.time())
        self.good = {"iss": client_id, "sub": client_id, "aud": issuer, "exp": now + 60, "iat": now}

    def make(self, **changed: Any) -> str:
        """One with a fresh jti; None takes a claim out."""
        claims = {"jti": ids.uuid7(), **self.good, **changed}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256"}, claims, self.key, ["RS256"])


async def test_an_assertion_is_for_us_alone_and_used_once(v1: Application, wire: Wire) -> None:
    key = RSAKey.generate_key(2048)
    jwks = json.dumps({"keys": [key.as_dict(private=False)]})
    client, _ = await add_client(v1.server, jwks=jwks)
    issuer = v1.server.services.settings.issuer
    make = Assertions(client.id, issuer, key).make

    async def use(assertion: str, path: str = "/oauth/token") -> Sent:
        form = {
            **({"grant_type": "client_credentials"} if path == "/oauth/token" else {"token": "x"}),
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return await wire.call("POST", path, data=form)

    good = make()
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        assert (await use(good, path)).status == 200
        assert error(await use(good, path)) == (401, "invalid_client")
        good, used = make(), good
        assert error(await use(used)) == (401, "invalid_client"), path
    assert (await use(good)).status == 200
    bad: list[dict[str, Any]] = [
        {"aud": f"{issuer}/oauth/token"},
        {"aud": [issuer]},
        {"aud": [issuer, "https://other.example"]},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"exp": int(time.time()) + 7200},
        {"exp": "x"},
        {"jti": None},
        {"jti": 7},
        {"iss": "other"},
        {"iss": None},
        {"sub": "other"},
        {"sub": None},
        {"sub": 7},
    ]
    forged = Assertions(client.id, issuer, RSAKey.generate_key(2048)).make()
    for assertion in (good, forged, "x", "a.b.c", "\u00e9", "", *(make(**changed) for changed in bad)):
        assert error(await use(assertion)) == (401, "invalid_client"), assertion


async def test_a_public_client_looks_into_no_token(v1: Application, wire: Wire) -> None:
    """Trap 11, the other way round: public clients give back, and do not look."""
    device = Wire(wire.http, CLI.id)
    for _ in range(CLIENTS.attempts):
        assert error(await device.post("/oauth/introspect", token="x")) == (401, "invalid_client")
    assert error(await device.post("/oauth/introspect", token="x")) == (429, "temporarily_unavailable")
    (row,) = await v1.items("/v1/audit?action=client.authenticate")
    assert row["name"] == CLI.id
    assert (await device.post("/oauth/revoke", token="x")).status == 200


async def test_the_metadata_tells_how_clients_prove_themselves_at_each_endpoint(wire: Wire) -> None:
    """RFC 8414, 2: who names private_key_jwt must name its algorithms, for each endpoint."""
    told = (await wire.call("GET", "/.well-known/oauth-authorization-server")).body
    for endpoint in ("token", "revocation", "introspection"):
        methods = told[f"{endpoint}_endpoint_auth_methods_supported"]
        assert "private_key_jwt" in methods
        assert ("none" in methods) is (endpoint != "introspection")
        assert "RS256" in told[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]


async def test_who_never_proves_itself_is_told_to_wait_and_who_does_passes(v1: Application, wire: Wire) -> None:
    """Failures are counted by client and network; a good client is not locked out by who knows its id."""
    other, _ = await add_client(v1.server)
    paths = ("/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/device_authorization")
    for client_id in (wire.client_id, "nobody", "A" * 16):
        liar = Wire(wire.http, client_id, new_token(Prefix.CLIENT_SECRET)[0])
        if client_id != "A" * 16:  # which is as unknown as the one before, and counted with it
            for number in range(CLIENTS.attempts):
                assert error(await liar.post(paths[number % 4], grant_type="x")) == (401, "invalid_client")
        for path in paths:
            refused = await liar.post(path, grant_type="client_credentials")
            assert error(refused) == (429, "temporarily_unavailable")
            assert 0 < int(refused.headers["Retry-After"]) <= CLIENTS.seconds
            assert refused.headers["Cache-Control"] == "no-store"
    assert (await wire.post("/oauth/token", grant_type="client_credentials")).status == 200
    assert error(await Wire(wire.http, other.id, "x").post("/oauth/token")) == (401, "invalid_client")
    await v1.server.services.audit.close()
    rows = await v1.items("/v1/audit?action=client.authenticate")
    told = {(row["actor"], row["name"], row["result"], row["kind"]) for row in rows}
    assert told == {("system:anonymous", each, "denied", "OAuthClient") for each in (wire.client_id, other.id)}
    assert len(rows) == 2


async def test_an_assertion_that_is_used_again_is_told_too(v1: Application, wire: Wire) -> None:
    key = RSAKey.generate_key(2048)
    tenant = (await v1.get(f"{KUBERNETES}/tenants/acme")).body["status"]["tenantID"]
    jwks = json.dumps({"keys": [key.as_dict(private=False)]})
    client, _ = await add_client(v1.server, jwks=jwks, tenant_id=tenant)
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": Assertions(client.id, v1.server.services.settings.issuer, key).make(),
    }
    assert (await wire.call("POST", "/oauth/token", data=form)).status == 200
    for _ in range(CLIENTS.attempts):
        assert error(await wire.call("POST", "/oauth/token", data=form)) == (401, "invalid_client")
    assert error(await wire.call("POST", "/oauth/token", data=form)) == (429, "temporarily_unavailable")
    form["client_assertion"] = Assertions(client.id, v1.server.services.settings.issuer, key).make()
    assert (await wire.call("POST", "/oauth/token", data=form)).status == 200
    await v1.server.services.audit.close()
    (row,) = await v1.items(f"/v1/audit?action=client.authenticate&tenantID={tenant}")
    assert (row["name"], row["ip"]) == (client.id, "127.0.0.1")


async def test_a_client_that_asks_too_often_is_told_so_in_its_own_words(tmp_path: Path) -> None:
    """The limit of all requests from one address stands before the endpoints, and answers as they do."""
    async with running_server(tmp_path, rate_limit_anonymous=1) as server, server.session(anonymous=True) as http:
        wire = Wire(http, CLI.id)
        sent = [await wire.post("/oauth/token", grant_type="x") for _ in range(40)]
        refused = [each for each in sent if each.status == 429]
        assert refused
        for each in refused:
            assert error(each) == (429, "temporarily_unavailable")
            assert "too many requests" in each.body["error_description"]
            assert int(each.headers["Retry-After"]) > 0


async def test_other_errors_of_an_endpoint_are_in_its_words_too(wire: Wire) -> None:
    sent = await wire.call("GET", "/oauth/token")
    assert error(sent) == (405, "invalid_request")
    assert sent.headers["Allow"] == "POST"


async def test_a_path_that_is_not_there_is_not_a_matter_of_who_asks(wire: Wire) -> None:
    assert wire.secret
    for path in ("/oauth/tokens", "/oauth/token/x"):
        assert (await wire.post(path, grant_type="client_credentials")).status == 404


#: what the server keeps by itself, when there is time
BEHIND = (tables.AuditChain, tables.Lease, tables.RateSpending, tables.Work)


async def rows(api: Application) -> dict[str, int]:
    """How many rows each table has that requests write to."""

    def count(unit: Unit) -> dict[str, int]:
        return {
            model._meta.table_name: unit.execute(Statement(model.select(fn.COUNT(SQL("*"))))).fetchone()[0]
            for model in tables.ALL
            if model not in BEHIND
        }

    return await api.server.services.db.run(count)


async def test_a_client_that_acts_for_itself_writes_nothing(v1: Application, wire: Wire) -> None:
    """However often it asks, and also when it is refused what it asks for: nobody fills the database so."""
    assert (await wire.post("/oauth/token", grant_type="client_credentials")).status == 200  # makes the key that signs
    before = await rows(v1)
    for _ in range(5):
        given = await wire.post("/oauth/token", grant_type="client_credentials")
        assert given.status == 200
        assert (await wire.post("/oauth/introspect", token=given.body["access_token"])).body["active"]
        for refused in ({"scope": "keys:write"}, {"resource": "https://other.example.com"}):
            assert (await wire.post("/oauth/token", grant_type="client_credentials", **refused)).status == 400
    assert await rows(v1) == before


async def test_of_an_assertion_a_row_is_kept_until_it_has_expired(
    v1: Application, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = RSAKey.generate_key(2048)
    client, _ = await add_client(v1.server, jwks=json.dumps({"keys": [key.as_dict(private=False)]}))
    make = Assertions(client.id, v1.server.services.settings.issuer, key).make
    assert (await wire.post("/oauth/token", grant_type="client_credentials")).status == 200
    before = await rows(v1)
    for _ in range(3):
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": make(),
        }
        assert (await wire.call("POST", "/oauth/token", data=form)).status == 200
    assert await rows(v1) == {**before, "revocation": before["revocation"] + 3}
    later = ids.now_micros() + 3_600_000_000
    monkeypatch.setattr(ids, "now_micros", lambda: later)
    await v1.server.services.oauth.forget_expired()
    assert (await rows(v1))["revocation"] == before["revocation"]


async def test_the_access_log_names_who_has_proved_itself(wire: Wire, tmp_path: Path) -> None:
    """A public client proves nothing: that it is meant is all that there is to tell."""
    path = tmp_path / "access.log"
    with path.open("w") as stream:
        logs.ACCESS.open(stream)
        try:
            for secret in (wire.secret, "wrong"):
                await Wire(wire.http, wire.client_id, secret).post("/oauth/introspect", token="nothing")
            await Wire(wire.http, CLI.id).post("/oauth/revoke", token="nothing")
        finally:
            logs.ACCESS.close()
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(each["status"], each["actor"]) for each in found] == [
        (200, f"client:{wire.client_id}"),
        (401, "system:anonymous"),
        (200, "system:anonymous"),
    ]

"""Who the server takes a caller for: API keys, ServiceAccount tokens, and everything that only looks like one."""

import base64
import hmac
import json
import os
import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tenantry.model.credentials import new_token
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, ApiKey
from tenantry.model.permissions import Permission
from tenantry.services.authentication import Authenticator
from tenantry.services.feed import Feed
from tenantry.services.machines import keysets, workloads
from tenantry.services.machines.keysets import KeySets
from tenantry.services.standing import Standing
from tenantry.settings import WrongSettingError
from tenantry.storage import changes, keys
from tests.support.issuer import ISSUER, SUBJECT, Issuer
from tests.support.server import ServerInProcess, running_server

ME = "/v1/me"


EAST = Issuer()
MALLORY = Issuer()


def _pack(header: dict[str, Any], claims: Any, signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), claims if isinstance(claims, bytes) else json.dumps(claims).encode()]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, signature))


def _hs256_with_the_public_key() -> str:
    signed = _pack(EAST.header(alg="HS256"), EAST.claims()).rpartition(".")[0]
    mac = hmac.digest(EAST.key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def _ps256() -> str:
    key = RSAKey.import_key({k: v for k, v in EAST.key.as_dict(private=True).items() if k not in {"alg", "use"}})
    return jwt.encode(EAST.header(alg="PS256"), EAST.claims(), key, algorithms=["PS256"], default_type=None)


def _es256_under_the_kid_of_an_rsa_key() -> str:
    return jwt.encode(EAST.header(alg="ES256"), EAST.claims(), ECKey.generate_key("P-256"), default_type=None)


def _tampered() -> str:
    head, _, signature = EAST.token().split(".")
    claims = EAST.claims(sub="system:serviceaccount:kube-system:root")
    return f"{head}.{_pack({}, claims).split('.')[1]}.{signature}"


FORGED: dict[str, Any] = {
    "none": lambda: _pack(EAST.header(alg="none"), EAST.claims()),
    "None": lambda: _pack(EAST.header(alg="None"), EAST.claims()),
    "NONE": lambda: _pack(EAST.header(alg="NONE"), EAST.claims()),
    "nOnE": lambda: _pack(EAST.header(alg="nOnE"), EAST.claims()),
    "no alg": lambda: _pack(EAST.header(alg=None), EAST.claims()),
    "alg is a number": lambda: _pack(EAST.header(alg=1), EAST.claims(), b"x"),
    "HS256 with the public key": _hs256_with_the_public_key,
    "PS256 of the same key": _ps256,
    "ES256 under an RSA key's kid": _es256_under_the_kid_of_an_rsa_key,
    "RS512 of the same key": lambda: jwt.encode(
        EAST.header(alg="RS512"),
        EAST.claims(),
        RSAKey.import_key({k: v for k, v in EAST.key.as_dict(private=True).items() if k != "alg"}),
        algorithms=["RS512"],
        default_type=None,
    ),
    "another's signature": MALLORY.token,
    "another's signature with its jwk": lambda: MALLORY.token(jwk=MALLORY.key.as_dict(private=False)),
    "another's signature with a jku": lambda: MALLORY.token(jku="https://mallory.example/jwks"),
    "our signature with a jwk": lambda: EAST.token(jwk=MALLORY.key.as_dict(private=False)),
    "our signature with x5u": lambda: EAST.token(x5u="https://mallory.example/x5u"),
    "crit": lambda: _pack(EAST.header(crit=["exp"], exp=1), EAST.claims(), b"x"),
    "unknown kid": lambda: EAST.token(kid="two"),
    "no kid": lambda: EAST.token(kid=None),
    "kid is a path": lambda: EAST.token(kid="../../dev/null"),
    "kid is a list": lambda: _pack(EAST.header(kid=["one"]), EAST.claims(), b"x"),
    "typ of an access token": lambda: EAST.token(typ="at+jwt"),
    "typ is a number": lambda: _pack(EAST.header(typ=1), EAST.claims(), b"x"),
    "tampered": _tampered,
    "signature cut off": lambda: EAST.token().rpartition(".")[0] + ".",
    "other issuer": lambda: EAST.token(EAST.claims(iss="https://mallory.example")),
    "issuer with a slash": lambda: EAST.token(EAST.claims(iss=ISSUER + "/")),
    "issuer is a list": lambda: EAST.token(EAST.claims(iss=[ISSUER])),
    "other audience": lambda: EAST.token(EAST.claims(aud=["https://kubernetes.default.svc"])),
    "audience is a substring": lambda: EAST.token(EAST.claims(aud="tenantry-api-2")),
    "audience is empty": lambda: EAST.token(EAST.claims(aud=[])),
    "expired": lambda: EAST.token(EAST.claims(exp=int(time.time()) - 31)),
    "exp is text": lambda: EAST.token(EAST.claims(exp=str(int(time.time()) + 600))),
    "exp is not a number": lambda: _signed(b'{"iss":"%s","exp":NaN}' % ISSUER.encode()),
    "not yet valid": lambda: EAST.token(EAST.claims(nbf=int(time.time()) + 40)),
    "issued in the future": lambda: EAST.token(EAST.claims(iat=int(time.time()) + 40)),
    **{
        f"no {claim}": lambda claim=claim: EAST.token(EAST.claims(**{claim: None}))
        for claim in ("iss", "sub", "aud", "exp", "nbf", "iat")
    },
    "unknown subject": lambda: EAST.token(EAST.claims(sub="system:serviceaccount:tenantry-system:operator2")),
    "subject is a prefix": lambda: EAST.token(EAST.claims(sub="system:serviceaccount:tenantry-system")),
    "subject in other case": lambda: EAST.token(EAST.claims(sub=SUBJECT.upper())),
    "subject is a list": lambda: EAST.token(EAST.claims(sub=[SUBJECT])),
    "claims are a list": lambda: _pack(EAST.header(), [1], b"x"),
    "claims are deep": lambda: _pack(EAST.header(), b"[" * 3000 + b"]" * 3000, b"x"),
    "claims are not UTF-8": lambda: _pack(EAST.header(), b"\xff", b"x"),
    "not base64": lambda: "a!.b!.c!",
    "dots": lambda: "..",
    "five parts": lambda: EAST.token() + ".a.b",
    "very long": lambda: "a." + "b" * 7000 + ".c",
    "quotes": lambda: '"".\'.;--',
    "Latin-1": lambda: "é.é.é",
    "empty": lambda: "",
}


def _signed(payload: bytes) -> str:
    from joserfc import jws  # noqa: PLC0415 - this one forgery needs a payload that no JWT encoder writes

    return jws.serialize_compact(EAST.header(), payload, EAST.key)


@pytest.fixture(scope="module")
def clusters() -> list[dict[str, Any]]:
    """The settings of one cluster."""
    return [EAST.cluster()]


async def test_a_service_account_is_who_its_cluster_says(tmp_path: Path, clusters: list[dict[str, Any]]) -> None:
    async with running_server(tmp_path, clusters=clusters) as server, server.session(anonymous=True) as session:
        for token in (
            EAST.token(),
            EAST.token(typ="JWT"),
            EAST.token(EAST.claims(aud="tenantry-api")),
            EAST.token(EAST.claims(aud=["x", "tenantry-api"])),
            EAST.token(EAST.claims(exp=int(time.time()) - 20)),  # clocks differ: 30 s are granted
            EAST.token(EAST.claims(nbf=int(time.time()) + 20, iat=int(time.time()) + 20)),
        ):
            async with session.get(ME, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 200
                assert await answer.json() == {
                    "name": "serviceaccount:east:tenantry-system:operator",
                    "user": None,
                    "tenant": None,
                    "tenants": None,
                    "platformAdmin": None,
                    "cluster": "east",
                    "scopes": ["platform:reconcile"],
                    "permissions": ["authenticated", "platform:reconcile", "resources:read", "resources:write"],
                    "signedIn": {"credential": "ServiceAccountToken", "methods": None, "at": None, "endsAt": None},
                    "csrfToken": None,
                }


async def test_every_forged_token_is_refused(tmp_path: Path, clusters: list[dict[str, Any]]) -> None:
    async with running_server(tmp_path, clusters=clusters) as server, server.session(anonymous=True) as session:
        answers = {}
        for name, forge in FORGED.items():
            async with session.get(ME, headers={"Authorization": f"Bearer {forge()}"}) as answer:
                answers[name] = answer.status
                challenge = 'Bearer realm="tenantry"' + (', error="invalid_token"' if name != "empty" else "")
                assert answer.headers["WWW-Authenticate"] == challenge, name
        assert answers == dict.fromkeys(FORGED, 401)


KEY, ID, SHA = new_token()


def _flipped(token: str, at: int) -> str:
    return token[:at] + ("a" if token[at] != "a" else "b") + token[at + 1 :]


@pytest.mark.slow
@pytest.mark.parametrize(
    "header",
    [
        *(f"Bearer {_flipped(KEY, at)}" for at in (0, 5, 25, 66, 68)),
        *(f"Bearer {KEY[:length]}" for length in (3, 4, 20, 70)),
        f"Bearer {KEY}a",
        f"Bearer {KEY}",  # well-formed, and of no key
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        f"Token {KEY}",
        KEY,
        "Bearer tnk_é",
        "Bearer tnk_\udcff",
        "Bearer '; DROP TABLE api_key; --",
    ],
    ids=map(str, count()),  # the key is another in each process
)
async def test_a_bad_header_is_refused(server: ServerInProcess, header: str) -> None:
    async with server.session(anonymous=True) as session:
        raw = header.encode("utf-8", "surrogateescape").decode("latin-1")
        async with session.get(ME, headers={"Authorization": header if header.isascii() else raw}) as answer:
            assert answer.status == 401
            named = header.lower().startswith("bearer ") and header != "Bearer "
            wrong = ', error="invalid_token"' if named else ""  # RFC 6750, 3.1
            assert answer.headers["WWW-Authenticate"] == f'Bearer realm="tenantry"{wrong}'
            # a credential that is wrong is told of even where none is needed
        async with session.get("/v1/unknown", headers={"Authorization": header if header.isascii() else raw}) as answer:
            assert answer.status == 401


async def _admin(server: ServerInProcess) -> Actor:
    return await server.services.authenticator.authenticate(server.token, "127.0.0.1")


async def _status(server: ServerInProcess, token: str) -> int:
    headers = {"Authorization": f"bEARER {token}"}
    async with server.session(anonymous=True) as session, session.get(ME, headers=headers) as answer:
        return answer.status


async def test_a_key_is_good_until_it_is_revoked(server: ServerInProcess) -> None:
    services = server.services
    made = await services.keys.create(await _admin(server), "ci", ["platform:read"])
    assert await _status(server, made.token) == 200
    await services.keys.revoke(await _admin(server), made.key.id)
    assert await services.feed.wait_for(await services.db.run(changes.current_seq), 10)
    assert await _status(server, made.token) == 401


async def test_an_expired_key_is_refused_also_when_it_is_remembered(
    server: ServerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await server.services.keys.create(await _admin(server), "ci", ["platform:read"], lifetime=60)
    assert await _status(server, made.token) == 200
    clock = time.time() + 61
    monkeypatch.setattr(server.services.authenticator, "_now", lambda: clock)
    assert await _status(server, made.token) == 401
    assert await _status(server, made.token) == 401


async def test_a_key_works_from_its_networks_only(server: ServerInProcess) -> None:
    admin, authenticator = await _admin(server), server.services.authenticator
    made = await server.services.keys.create(
        admin, "ci", ["platform:read"], allowed_cidrs=["10.0.0.0/8", "2001:db8::/32"]
    )
    for address in ("10.9.9.9", "2001:db8::1", "::ffff:10.1.1.1"):
        assert (await authenticator.authenticate(made.token, address)).name == f"key:{made.key.id}"
    for address in ("127.0.0.1", "2001:db9::1", ""):
        with pytest.raises(TenantryError, match="does not work from this address"):
            await authenticator.authenticate(made.token, address)


async def test_a_key_has_what_its_scopes_give_and_its_tenant(server: ServerInProcess) -> None:
    token, identifier, sha = new_token()
    key = ApiKey(id=identifier, name="a", secret_sha=sha, scopes=("platform:read", "gone"), owner="x", tenant_id="t-1")
    await server.services.db.run(keys.insert, key, write=True)
    actor = await server.services.authenticator.authenticate(token, "127.0.0.1")
    assert actor == Actor(
        name=f"key:{identifier}",
        groups=("system:authenticated",),
        scopes=frozenset({"platform:read", "gone"}),
        permissions=frozenset({Permission.AUTHENTICATED, Permission.RESOURCES_READ, Permission.AUDIT_READ}),
        tenant_id="t-1",
    )


async def test_the_secret_must_be_that_of_the_id(server: ServerInProcess) -> None:
    made = await server.services.keys.create(await _admin(server), "ci", ["platform:read"])
    other, _, other_sha = new_token()
    row = replace(made.key, id=other.split("_")[1], secret_sha=made.key.secret_sha)
    assert row.secret_sha != other_sha
    await server.services.db.run(keys.insert, row, write=True)
    assert await _status(server, other) == 401


async def test_the_last_use_of_a_key_is_noted(server: ServerInProcess) -> None:
    made = await server.services.keys.create(await _admin(server), "ci", ["platform:read"])
    assert await _status(server, made.token) == 200
    await server.services.authenticator.close()
    found = await server.services.db.run(keys.get, made.key.id)
    assert found is not None
    assert found.last_used_at >= made.key.created_at


class _AwayDatabase:
    """A database that can be taken away between two calls."""

    def __init__(self, key: ApiKey) -> None:
        self.key, self.away = key, False

    def on_commit(self, _: object) -> None:
        """It never commits."""

    async def run(self, function: Any, *_: Any, **__: Any) -> Any:
        if self.away:
            raise TenantryError(Code.UNAVAILABLE, "the database is away", retry_after=1)
        return self.key if function is keys.get else True


_NO_TOKENS: Any = None


async def test_while_the_database_is_away_a_key_is_believed_for_a_minute() -> None:
    clock = 1000.0
    db: Any = _AwayDatabase(ApiKey(id=ID, name="a", secret_sha=SHA, scopes=(), owner=""))
    standing = Standing(db, Feed(db), monotonic=lambda: clock)
    authenticator = Authenticator(db, standing, KeySets([]), _NO_TOKENS, monotonic=lambda: clock)
    await authenticator.authenticate(KEY, "127.0.0.1")
    db.away, clock = True, 1059.0
    await authenticator.authenticate(KEY, "127.0.0.1")
    clock = 1061.0
    with pytest.raises(TenantryError) as caught:
        await authenticator.authenticate(KEY, "127.0.0.1")
    assert (caught.value.code, caught.value.retry_after) == (Code.UNAVAILABLE, 1)
    db.away = False
    await authenticator.authenticate(KEY, "127.0.0.1")
    db.key, clock = replace(db.key, revoked_at=1), 1063.0
    with pytest.raises(TenantryError, match="revoked"):
        await authenticator.authenticate(KEY, "127.0.0.1")
    db.away, clock = True, 1065.0  # what was refused is not believed again
    with pytest.raises(TenantryError, match="revoked"):
        await authenticator.authenticate(KEY, "127.0.0.1")
    await authenticator.close()


async def test_a_remembered_token_is_forgotten_when_it_expires_or_its_key_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(EAST.jwks()))
    monkeypatch.setattr(keysets, "FILE_SECONDS", 0.0)
    async with running_server(tmp_path, clusters=[EAST.cluster(jwks_file=file)]) as server:
        token = EAST.token()
        assert await _status(server, token) == 200

        with monkeypatch.context() as later:
            clock = time.time() + 600 + workloads.LEEWAY
            later.setattr(server.services.authenticator, "_now", lambda: clock)
            assert await _status(server, token) == 401
        assert await _status(server, token) == 200

        _replace(file, "not JSON")  # a bad file changes nothing
        assert await _status(server, token) == 200

        _replace(file, json.dumps(MALLORY.jwks()))
        assert await _status(server, token) == 401
        assert await _status(server, MALLORY.token()) == 200


def _replace(file: Path, text: str) -> None:
    """Swap the file as a mounted ConfigMap does."""
    new = file.with_suffix(".new")
    new.write_text(text)
    os.replace(new, file)  # noqa: PTH105 - what it is called in the system


async def test_the_key_decides_the_cluster_not_the_issuer(tmp_path: Path) -> None:
    west = Issuer(kid="west-1")
    settings = [EAST.cluster("east"), west.cluster("west")]
    async with running_server(tmp_path, clusters=settings) as server:
        for issuer, cluster in ((EAST, "east"), (west, "west")):
            actor = await server.services.authenticator.authenticate(issuer.token(), "")
            assert actor.cluster == cluster
        # west's key under east's kid
        assert await _status(server, west.token(kid="one")) == 401


def _weak_key() -> dict[str, Any]:
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()  # noqa: S505 - weak is the point
    return {"kty": "RSA", "e": "AQAB", "n": base64.urlsafe_b64encode(numbers.n.to_bytes(128)).decode().rstrip("=")}


WEAK = _weak_key()


def _without(data: dict[str, Any], name: str) -> dict[str, Any]:
    return {"keys": [{k: v for k, v in key.items() if k != name} for key in data["keys"]]}


@pytest.mark.parametrize(
    ("clusters", "message"),
    [
        (
            [EAST.cluster("east"), MALLORY.cluster("west")],
            "TENANTRY_CLUSTERS[1]: clusters west and east have the same issuer and the same key id one",
        ),
        ([EAST.cluster(jwks_file="/nowhere")], "TENANTRY_CLUSTERS[0]: cannot read /nowhere: No such file or directory"),
        ([EAST.cluster(jwks={})], 'TENANTRY_CLUSTERS[0]: the key set has no list "keys"'),
        ([EAST.cluster(jwks={"keys": []})], "the key set has no RSA or EC key for signatures"),
        ([EAST.cluster(jwks=_without(EAST.jwks(), "kid"))], "a key has no kid"),
        ([EAST.cluster(jwks=_without(EAST.jwks(), "n"))], "the key one is not valid"),
        ([EAST.cluster(jwks={"keys": EAST.jwks()["keys"] * 2})], "two keys have the kid one"),
        (
            [EAST.cluster(jwks={"keys": [{**WEAK, "kid": "one"}]})],
            "the key one is not safe: Key size should be >= 2048 bits",
        ),
        (
            [EAST.cluster(jwks={"keys": [{"kty": "oct", "k": "AAAA", "kid": "one"}]})],
            "the key set has no RSA or EC key",
        ),
    ],
)
async def test_a_wrong_key_set_stops_the_start(tmp_path: Path, clusters: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(WrongSettingError) as caught:
        async with running_server(tmp_path, clusters=clusters):
            pass
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)

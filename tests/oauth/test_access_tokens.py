"""Access tokens that are none of ours, or not any more: each is refused with 401, and none is a fault of the server."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tenantry.model import ids
from tenantry.model.identity import UserStatus
from tenantry.model.notice import Notice
from tenantry.model.oauth import OAuthClient
from tenantry.model.permissions import Role
from tenantry.services.machines.workloads import LEEWAY
from tenantry.services.oauth.signing_keys import LoadedKey
from tenantry.storage import changes, memberships
from tenantry.storage.unit import Unit
from tests.support.application import Application
from tests.support.oauth import add_client
from tests.support.people import add_member, add_user
from tests.web.test_sessions import change

Header = dict[str, Any]
Claims = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint:
    """Makes tokens with our own key."""

    issuer: str
    key: LoadedKey
    client: OAuthClient

    def header(self, **changed: Any) -> Header:
        """That of a good token; None takes a member out."""
        return _without_none({"alg": self.key.alg, "kid": self.key.id, "typ": "at+jwt", **changed})

    def claims(self, **changed: Any) -> Claims:
        """Those of a good token."""
        now = int(time.time())
        good = {
            "iss": self.issuer,
            "aud": self.issuer,
            "sub": self.client.id,
            "client_id": self.client.id,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": ids.uuid7(),
            "scope": "resources:read",
        }
        return _without_none({**good, **changed})

    def token(self, header: Header | None = None, claims: Claims | None = None, key: Any = None) -> str:
        """A token, a good one by default."""
        header = self.header() if header is None else header
        claims = self.claims() if claims is None else claims
        signed = f"{_encode(header)}.{_encode(claims)}"
        private: Any = (key or self.key.key).raw_value
        scheme: Any = padding.PKCS1v15()
        if header["alg"] == "PS256":
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return f"{signed}.{_encode(private.sign(signed.encode(), scheme, hashes.SHA256()))}"


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


@pytest.fixture
async def mint(v1: Application) -> Mint:
    """The key of the server, and a client of the platform."""
    client, _ = await add_client(v1.server, scopes=("openid", "resources:read", "keys:write", "platform:admin"))
    services = v1.server.services
    (key,) = (await services.signing_keys.ring()).keys
    return Mint(issuer=services.settings.issuer, key=key, client=client)


async def status(api: Application, token: str) -> int:
    answer = await api.get("/v1/me", Authorization=f"Bearer {token}")
    return answer.status


def _encode(part: Any) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def unsigned(alg: str) -> Callable[[Mint], str]:
    return lambda mint: f"{_encode(mint.header(alg=alg))}.{_encode(mint.claims())}."


def hmac_with_public_key(mint: Mint) -> str:
    signed = f"{_encode(mint.header(alg='HS256'))}.{_encode(mint.claims())}"
    return f"{signed}.{_encode(hmac.digest(mint.key.key.as_pem(private=False), signed.encode(), 'sha256'))}"


def embedded(mint: Mint) -> str:
    own = RSAKey.generate_key(2048)
    return mint.token(mint.header(jwk=own.as_dict(private=False)), key=own)


def another_algorithm(mint: Mint) -> str:
    return mint.token(mint.header(alg="PS256"))


def another_key(mint: Mint) -> str:
    return mint.token(key=RSAKey.generate_key(2048))


def another_kind_of_key(mint: Mint) -> str:
    return jwt.encode(mint.header(alg="ES256"), mint.claims(), ECKey.generate_key("P-256"), default_type=None)


def id_token(mint: Mint) -> str:
    return mint.token(mint.header(typ="JWT"), mint.claims(aud=mint.client.id, nonce="n"))


def changed(mint: Mint) -> str:
    header, _, signature = mint.token().split(".")
    return f"{header}.{_encode(mint.claims(scope='platform:admin'))}.{signature}"


def with_header(name: str, value: Any) -> Callable[[Mint], str]:
    return lambda mint: mint.token(mint.header(**{name: value}))


def with_claim(name: str, value: Any) -> Callable[[Mint], str]:
    return lambda mint: mint.token(claims=mint.claims(**{name: value}))


HEADERS: list[tuple[str, Any]] = [
    ("typ", None),
    ("typ", "JWT"),
    ("typ", "at+jwt2"),
    ("typ", 7),
    ("kid", None),
    ("kid", "unknown"),
    ("kid", ["a"]),
    ("kid", {}),
    ("jku", "https://evil.example/jwks"),
    ("x5u", "https://evil.example/x5u"),
    ("crit", ["exp"]),
    ("b64", False),
]
CLAIMS: list[tuple[str, Any]] = [
    *((name, None) for name in ("aud", "sub", "client_id", "iat", "nbf", "exp", "jti")),
    ("aud", "https://other.example"),
    ("aud", ["https://other.example"]),
    ("exp", 1),
    ("exp", "never"),
    ("exp", {}),
    ("nbf", 2**40),
    ("iat", "x"),
    ("sub", 7),
    ("client_id", ["a"]),
    ("scope", 7),
    ("tid", {}),
    ("ver", "x"),
    ("ver", []),
    ("client_id", "unknown"),
]
FORGED: dict[str, Callable[[Mint], str]] = {
    **{f"none spelt {alg}": unsigned(alg) for alg in ("none", "None", "NONE", "nOnE")},
    "HS256 with the public key": hmac_with_public_key,
    "embedded jwk": embedded,
    "another algorithm of the same key": another_algorithm,
    "another key": another_key,
    "another kind of key": another_kind_of_key,
    "ID token": id_token,
    "changed": changed,
    "no signature": lambda mint: mint.token().rpartition(".")[0] + ".",
    "cut off": lambda mint: mint.token()[:-10],
    "payload that is a list": lambda mint: mint.token(claims=cast("Claims", [])),
    **{f"header {name}={value!r:.20}": with_header(name, value) for name, value in HEADERS},
    **{f"claim {name}={value!r:.30}": with_claim(name, value) for name, value in CLAIMS},
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
async def test_a_forged_token_is_refused(v1: Application, mint: Mint, forge: Callable[[Mint], str]) -> None:
    assert await status(v1, mint.token()) == 200
    assert await status(v1, forge(mint)) == 401


@pytest.mark.parametrize("issuer", [None, "https://other.example", "", 7, {}])
async def test_a_token_of_another_issuer_is_refused(v1: Application, mint: Mint, issuer: Any) -> None:
    assert await status(v1, mint.token(claims=mint.claims(iss=issuer))) == 401


@pytest.mark.parametrize("early", [LEEWAY - 5, LEEWAY + 30])
async def test_clocks_may_differ_a_little(v1: Application, mint: Mint, early: int) -> None:
    now = int(time.time())
    good = early < LEEWAY
    assert await status(v1, mint.token(claims=mint.claims(exp=now - early))) == (200 if good else 401)
    assert await status(v1, mint.token(claims=mint.claims(nbf=now + early, iat=now + early))) == (200 if good else 401)


async def test_a_token_that_was_seen_before_expires_all_the_same(v1: Application, mint: Mint) -> None:
    services = v1.server.services
    token = mint.token()
    assert await status(v1, token) == 200
    services.access_tokens._now = lambda: time.time() + 300 + LEEWAY
    services.authenticator._now = services.access_tokens._now
    assert await status(v1, token) == 401
    services.access_tokens._now = services.authenticator._now = time.time
    assert await status(v1, token) == 200


async def test_a_token_whose_key_was_dropped_is_refused(v1: Application, mint: Mint) -> None:
    services = v1.server.services
    token = mint.token()
    assert await status(v1, token) == 200
    await services.signing_keys.drop_active(await services.authenticator.authenticate(v1.server.token, "127.0.0.1"))
    assert await services.feed.wait_for(await services.db.run(changes.current_seq), 20)
    assert await status(v1, token) == 401


async def test_a_persons_rights_are_those_of_now(v1: Application, mint: Mint) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    user = await add_user(v1.server)
    await add_member(v1.server, tenant, user, Role.ADMIN)
    token = mint.token(claims=mint.claims(sub=user.id, tid=tenant, scope="keys:write platform:admin", ver=1))

    async def permissions() -> set[str]:
        answer = await v1.get("/v1/me", Authorization=f"Bearer {token}")
        assert answer.status == 200, answer.body
        return set(answer.body["permissions"])

    # the role's, as far as the scopes go: platform:admin lets all through, and a role of a tenant has no platform in it
    assert {"authenticated", "keys:write", "members:write"} <= await permissions()
    assert "tombstones:release" not in await permissions()

    def demote(unit: Unit) -> None:
        assert memberships.set_role(unit, tenant, user.id, Role.VIEWER, ids.now_micros())
        changes.announce(unit, Notice(kind="Membership", name=f"{tenant}/{user.id}"), at=ids.now_micros())

    services = v1.server.services
    await services.db.run(demote, write=True)
    assert await services.feed.wait_for(await services.db.run(changes.current_seq), 20)
    assert await permissions() == {"authenticated", "resources:read", "members:read"}
    await change(v1.server, user, status=UserStatus.DISABLED)
    assert await status(v1, token) == 401


async def test_a_suspended_tenant_holds_back_its_tokens(v1: Application, mint: Mint) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    token = mint.token(claims=mint.claims(tid=tenant))
    bearer = {"Authorization": f"Bearer {token}"}
    services = v1.server.services
    for state, code in (("Suspended", 403), ("Active", 200)):
        await v1.patch("tenants/acme", {"spec": {"state": state, "suspension": {"mode": "Blocked", "reason": "x"}}})
        assert await services.feed.wait_for(await services.db.run(changes.current_seq), 20)
        answer = await v1.get("/v1/tenants/acme", **bearer)
        assert answer.status == code
        assert code == 200 or answer.code == "tenant_suspended"

"""Access tokens: JWTs as RFC 9068 has them, signed here and verified by whoever reads ``/oauth/jwks``.

They say who and for whom, never what one may do: rights are computed at each request.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jws, jwt

from tenantry.model.oauth import AccessToken
from tenantry.services.machines.workloads import LEEWAY, MAX_TOKEN, ForgedError
from tenantry.services.oauth.signing_keys import KeyRing, SigningKeys

TYPE = "at+jwt"
ID_TOKEN_SECONDS = 3600
CACHE_SIZE = 10_000

_HEADERS = frozenset({"alg", "kid", "typ"})
Claims = dict[str, Any]


class AccessTokens:
    """Signs and verifies for one issuer.

    Args:
        issuer: our ``iss``, and the ``aud`` of tokens for our API.
        keys: what to sign with.
    """

    def __init__(self, issuer: str, keys: SigningKeys, *, now: Callable[[], float] = time.time) -> None:
        self.issuer = issuer
        self._keys = keys
        self._now = now
        self._verified: OrderedDict[bytes, AccessToken] = OrderedDict()
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(now()),
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": issuer},
            sub={"essential": True},
            client_id={"essential": True},
            jti={"essential": True},
            iat={"essential": True},
            nbf={"essential": True},
            exp={"essential": True},
        )

    def claims(self, *, subject: str, client_id: str, scopes: str, seconds: int, **more: Any) -> Claims:
        """The claims of a new token; what is empty of ``more`` is left out."""
        now = int(self._now())
        return {
            "iss": self.issuer,
            "sub": subject,
            "aud": self.issuer,
            "client_id": client_id,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": secrets.token_urlsafe(16),
            "scope": scopes,
            **{name: value for name, value in more.items() if value},
        }

    async def sign(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """``answer`` of the token endpoint with its claims signed: ``access_token``, and ``id_token`` if there is one.

        Raises:
            TenantryError: ``UNAVAILABLE``, there is no key to sign with.
        """
        ring = await self._keys.ring()
        signer = ring.signer(int(self._now() * 1_000_000))
        header = {"alg": signer.alg, "kid": signer.id}
        signed = dict(answer)
        token = jwt.encode({**header, "typ": TYPE}, signed["access_token"], signer.key, [signer.alg])
        signed["access_token"] = token
        if "id_token" in signed:
            claims = {**signed["id_token"], "at_hash": _half_hash(token)}
            signed["id_token"] = jwt.encode(header, claims, signer.key, [signer.alg])
        return signed

    def names(self, token: str) -> bool:
        """Whether ``token`` says that it comes from us."""
        try:
            payload = jws.extract_compact(token.encode("ascii")).payload or b""
            return bool(json.loads(payload)["iss"] == self.issuer)
        except Exception:  # noqa: BLE001 - whatever a stranger's token makes a parser raise, it is not ours
            return False

    async def verify(self, token: str) -> AccessToken:
        """What ``token`` says.

        Raises:
            ForgedError: we have not signed it, or not as an access token for our API, or it has expired.
            TenantryError: ``UNAVAILABLE``, that cannot be told now.
        """
        ring = await self._keys.ring()
        digest = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        known = self._verified.get(digest)
        if known is None:
            known = self._verified[digest] = self._check(token, ring)
            if len(self._verified) > CACHE_SIZE:
                self._verified.popitem(last=False)
        else:
            self._verified.move_to_end(digest)
        if known.expires + LEEWAY <= self._now() or ring.find(known.kid) is None:
            del self._verified[digest]
            raise ForgedError("it has expired, or its key is gone")
        return known

    async def read_hint(self, token: str) -> Claims | None:
        """The claims of an ID token that we have signed once, also when it has expired; None for anything else."""
        ring = await self._keys.ring()
        try:
            header, claims = _decode(token, ring)
        except ForgedError:
            return None
        return claims if header.get("typ") == "JWT" and claims.get("iss") == self.issuer else None

    def _check(self, token: str, ring: KeyRing) -> AccessToken:
        header, claims = _decode(token, ring)
        if str(header.get("typ")).lower().removeprefix("application/") != TYPE:
            raise ForgedError(f"its typ is {header.get('typ')!r}")
        try:
            self._claims.validate(claims)
            return _read(claims, header["kid"])
        except Exception as error:  # as above
            raise ForgedError(str(error)) from error


def _decode(token: str, ring: KeyRing) -> tuple[Mapping[str, Any], Claims]:
    """Header and claims of a token that one of our keys has signed, with the one algorithm of that key."""
    if len(token) > MAX_TOKEN:
        raise ForgedError(f"it is longer than {MAX_TOKEN} characters")
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
        kid = header["kid"]
        key = ring.find(kid) if isinstance(kid, str) else None
    except Exception as error:  # whatever a stranger's token makes a parser raise, it is a bad token
        raise ForgedError(str(error)) from error
    if key is None or not header.keys() <= _HEADERS:
        raise ForgedError(f"there is no key {kid!r}, or the header has more: {sorted(header)}")
    try:
        decoded = jwt.decode(token, key.key, algorithms=[key.alg])
    except Exception as error:  # as above
        raise ForgedError(str(error)) from error
    return decoded.header, decoded.claims


def _read(claims: Claims, kid: str) -> AccessToken:
    texts = {name: claims.get(name, "") for name in ("sub", "client_id", "jti", "scope", "tid", "sid", "gid")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ForgedError("a claim is of another type")
    return AccessToken(
        jti=texts["jti"],
        client_id=texts["client_id"],
        user_id="" if texts["sub"] == texts["client_id"] else texts["sub"],
        tenant_id=texts["tid"],
        scopes=frozenset(texts["scope"].split()),
        session_id=texts["sid"],
        grant_id=texts["gid"],
        auth_version=int(claims.get("ver", 0)),
        amr=tuple(claims.get("amr", ())),
        issued=float(claims["iat"]),
        expires=float(claims["exp"]),
        kid=kid,
    )


def _half_hash(token: str) -> str:
    """``at_hash`` (OpenID Connect Core, 3.1.3.6); both of our algorithms hash with SHA-256."""
    return urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()

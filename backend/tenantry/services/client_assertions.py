"""Client assertions: a JWT by which a client proves who it is, signed with a key that it has registered (RFC 7523)."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass

from joserfc import jws, jwt
from joserfc.jwk import KeySet

from tenantry.model.oauth import OAuthClient
from tenantry.services.workloads import LEEWAY, MAX_TOKEN, ForgedError

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "ES512")
#: how far ahead it may expire, in seconds: so long must its ``jti`` be kept
MAX_SECONDS = 3600

_HEADERS = frozenset({"alg", "kid", "typ"})


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion that was good; ``id`` is to be spent, and kept until ``expires_at`` (epoch microseconds)."""

    id: str
    expires_at: int


def subject_of(assertion: str) -> str:
    """The ``client_id`` that an assertion names, which is not verified yet; empty when there is none to be read."""
    try:
        subject = json.loads(jws.extract_compact(assertion[: MAX_TOKEN + 1].encode("ascii")).payload or b"")["sub"]
    except Exception:  # noqa: BLE001 - whatever a stranger's token makes a parser raise, it is a bad token
        return ""
    return subject if isinstance(subject, str) else ""


def verify(assertion: str, client: OAuthClient, issuer: str) -> Assertion:
    """Check everything of ``assertion`` but that it is new.

    Its ``aud`` is our issuer and nothing else: one string, not a list, so that it cannot be meant for another server.

    Raises:
        ForgedError: it is not good.
    """
    if len(assertion) > MAX_TOKEN:
        raise ForgedError(f"it is longer than {MAX_TOKEN} characters")
    try:
        header = jws.extract_compact(assertion.encode("ascii")).headers()
        claims = jwt.decode(assertion, KeySet.import_key_set(json.loads(client.jwks)), algorithms=ALGORITHMS).claims
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": client.id},
            sub={"essential": True, "value": client.id},
            aud={"essential": True},
            exp={"essential": True},
            jti={"essential": True},
        ).validate(claims)
    except Exception as error:  # as above
        raise ForgedError(str(error)) from error
    expires, jti = claims["exp"], claims["jti"]
    if not header.keys() <= _HEADERS:
        raise ForgedError(f"its header has {sorted(header)}")
    if claims["aud"] != issuer:
        raise ForgedError("aud is not our issuer, or not that alone")
    if not isinstance(jti, str) or not expires <= time.time() + MAX_SECONDS:
        raise ForgedError(f"jti is no text, or exp is more than {MAX_SECONDS} s ahead")
    digest = hashlib.sha256(f"{client.id}\0{jti}".encode()).hexdigest()
    return Assertion(digest[:36], int(expires + LEEWAY + 1) * 1_000_000)

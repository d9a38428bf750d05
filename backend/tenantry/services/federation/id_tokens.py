"""ID Tokens of identity providers: which are believed (OpenID Connect Core 1.0, 3.1.3.7)."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tenantry.model.quoting import quote

Key = RSAKey | ECKey | OKPKey

#: asymmetric ones only: with HS256 a public key, or none, would be a secret
ALGORITHMS = ("RS256", "ES256", "PS256", "RS384", "ES384", "PS384", "RS512", "ES512", "PS512", "Ed25519", "EdDSA")
LEEWAY = 60  # seconds that clocks may differ
MAX_TOKEN = 16384  # characters

_FARTHEST = 2**53  # epoch seconds: up to here, JSON's numbers are the same for everybody

_TYPES: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
#: headers that name a key, or would change what is signed, are refused and never followed
_HEADERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384}  # else SHA-512, as EdDSA has it


class UnbelievableError(Exception):
    """What a provider says is not believed; its text is one line that says why, without any secret."""


class UnknownKeyError(UnbelievableError):
    """None of the keys that are known has signed it; perhaps there are new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What an ID Token must fit. ``since`` is when it was asked for, in epoch seconds."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str
    since: float


def verify(token: str, keys: Sequence[Key], expected: Expectation) -> dict[str, Any]:
    """The claims of an ID Token that is signed by one of ``keys`` and meant for us and this sign-in.

    Raises:
        UnbelievableError: it is not.
    """
    header = _header(token)
    key = _choose(keys, header.get("kid"), header["alg"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # EdDSA is what providers call Ed25519 (RFC 9864)
            claims = jwt.decode(token, key, algorithms=ALGORITHMS).claims
    except Exception as error:  # whatever a stranger's token makes a parser raise, it is a bad token
        # perhaps it has replaced a key, and has given it no other name
        raise UnknownKeyError("the signature of its id_token is wrong") from error
    _check_audience(claims, expected.client_id)
    _check_times(claims, expected.since)
    if claims.get("iss") != expected.issuer:
        raise UnbelievableError(f"its id_token is of the issuer {_shown(claims.get('iss'))}")
    subject = claims.get("sub")
    # OpenID Connect Core, 2; what cannot be printed is half a surrogate pair, or nobody's name
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():  # noqa: PLR2004
        raise UnbelievableError("its id_token names no subject")
    if not _same(claims.get("nonce"), expected.nonce):
        raise UnbelievableError("its id_token is of another sign-in: the nonce is not ours")
    if "at_hash" in claims and not _same(claims["at_hash"], _hash(expected.access_token, header["alg"])):
        raise UnbelievableError("its id_token belongs to another access token")
    return claims


def auth_time(claims: Mapping[str, Any]) -> float:
    """When somebody has proved who they are, as the issuer of these claims says, in epoch seconds; 0 if it does not."""
    told, now = _time(claims.get("auth_time")), time.time()
    return min(told, now) if told is not None and 0 < told <= now + LEEWAY else 0.0


def read_keys(document: object) -> list[Key]:
    """The keys of a JWK set (RFC 7517) that may sign; what is of no use here is left out."""
    found = document.get("keys") if isinstance(document, Mapping) else None
    keys = []
    for data in found if isinstance(found, list) else ():
        if not isinstance(data, dict) or data.get("use", "sig") != "sig" or data.get("kty") not in _TYPES:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", SecurityWarning)
                key = _TYPES[data["kty"]].import_key(data)
                _ = key.public_key  # parsed only when asked for
        except (SecurityWarning, JoseError, ValueError, TypeError, KeyError):
            continue
        keys.append(key)
    return keys


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN:
        raise UnbelievableError(f"its id_token is longer than {MAX_TOKEN} characters")
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
    except Exception as error:  # as above
        raise UnbelievableError("its id_token is no signed JWT") from error
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if algorithm not in ALGORITHMS:
        raise UnbelievableError(f"its id_token is signed with {_shown(algorithm)}, which is not taken")
    if not header.keys() <= _HEADERS or not isinstance(kind, str) or kind.upper() != "JWT":
        raise UnbelievableError(f"the header of its id_token has {', '.join(sorted(header))} and typ {_shown(kind)}")
    return header


def _choose(keys: Sequence[Key], kid: object, algorithm: str) -> Key:
    """The key that is named; without a name the only one of its kind."""
    kind = "RSA" if algorithm[0] in "RP" and algorithm != "EdDSA" else "EC" if algorithm.startswith("ES") else "OKP"
    fitting = [key for key in keys if key.key_type == kind]
    named = [key for key in fitting if key.kid == kid] if kid is not None else fitting
    if len(named) != 1:
        raise UnknownKeyError(f"its id_token is signed with the key {_shown(kid)}, which is not in its key set")
    return named[0]


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or client_id not in named:
        raise UnbelievableError("its id_token is for another client")
    if claims.get("azp", client_id if len(named) == 1 else None) != client_id:
        raise UnbelievableError("its id_token was issued to another client (azp)")


def _check_times(claims: Mapping[str, Any], since: float) -> None:
    now = time.time()
    expires, issued, begins = (_time(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if expires is None or issued is None:
        raise UnbelievableError("its id_token does not tell from when until when it is good")
    if expires <= now - LEEWAY:
        raise UnbelievableError("its id_token has expired")
    if not since - LEEWAY <= issued <= now + LEEWAY:
        raise UnbelievableError("its id_token was not issued for this sign-in: it is too old, or of the future")
    if "nbf" in claims and (begins is None or begins > now + LEEWAY):
        raise UnbelievableError("its id_token is not good yet")


def _time(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > _FARTHEST:
        return None
    return float(value)


def _same(value: object, expected: str) -> bool:
    return isinstance(value, str) and hmac.compare_digest(value.encode(errors="replace"), expected.encode())


def _hash(access_token: str, algorithm: str) -> str:
    """``at_hash`` (OpenID Connect Core, 3.1.3.6)."""
    digest = _HASHES.get(algorithm[2:], hashlib.sha512)(access_token.encode(errors="replace")).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")


def _shown(value: object) -> str:
    return quote(value[:100]) if isinstance(value, str) else json.dumps(value, default=str)[:100]

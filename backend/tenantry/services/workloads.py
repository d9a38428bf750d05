"""Workloads in Kubernetes clusters, who prove themselves with a projected ServiceAccount token.

The verifier is chosen by (``iss``, ``kid``) among the configured ones, and the key that verified decides the cluster:
many clusters share one issuer string. ``jku``, ``x5u`` and ``jwk`` headers are refused, never followed.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from joserfc import jws, jwt

from tenantry.model.errors import Code, TenantryError
from tenantry.services.keysets import KeySets

AUDIENCE = "tenantry-api"
#: what kube-apiserver signs with (``k8s.io/kubernetes/pkg/serviceaccount``)
ALGORITHMS = ("RS256", "ES256", "ES384", "ES512")
LEEWAY = 30  # seconds
MAX_TOKEN = 8192  # characters; a ServiceAccount's has about 1,200

_HEADERS = frozenset({"alg", "kid", "typ"})
_CLAIMS = jwt.JWTClaimsRegistry(
    leeway=LEEWAY,
    iss={"essential": True},
    sub={"essential": True},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    nbf={"essential": True},
    iat={"essential": True},
)

logger = logging.getLogger(__name__)


class ForgedError(Exception):
    """The token is not one that a registered cluster issued for us; its text is for the log only."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Whom a token proved to be. ``expires`` is its ``exp`` in epoch seconds."""

    cluster: str
    subject: str
    scopes: tuple[str, ...]
    expires: float


async def verify(token: str, keysets: KeySets) -> Workload:
    """The workload that ``token`` stands for.

    Raises:
        ForgedError: it stands for none.
        TenantryError: ``UNAVAILABLE``, the cluster's key set could not be read yet.
    """
    issuer, kid = _address(token)
    if keysets.find(issuer, kid) is None:
        await keysets.refresh_urls(issuer)
    found = keysets.find(issuer, kid)
    if found is None:
        if keysets.is_missing(issuer):
            raise TenantryError(Code.UNAVAILABLE, "the cluster's key set could not be read yet", retry_after=5)
        raise ForgedError(f"there is no key {kid} of issuer {issuer}")
    cluster, key = found
    try:
        claims = jwt.decode(token, key, algorithms=ALGORITHMS).claims
        _CLAIMS.validate(claims)
    except Exception as error:  # whatever a stranger's token makes a parser raise, it is a bad token
        raise ForgedError(str(error)) from error
    if claims["iss"] != cluster.issuer:
        raise ForgedError(f"the key {kid} is not one of issuer {claims['iss']}")
    subject = claims["sub"]
    if subject not in cluster.subjects:
        raise ForgedError(f"cluster {cluster.name} has no entry for {subject}")
    return Workload(cluster.name, subject, cluster.subjects[subject], float(claims["exp"]))


def _address(token: str) -> tuple[str, str]:
    """``(iss, kid)`` as the unverified token says."""
    if len(token) > MAX_TOKEN:
        raise ForgedError(f"it is longer than {MAX_TOKEN} characters")
    try:
        signature = jws.extract_compact(token.encode("ascii"))
        header, claims = signature.headers(), json.loads(signature.payload or b"")
        issuer, kid, kind = claims["iss"], header["kid"], header.get("typ", "JWT")
    except Exception as error:  # as above
        raise ForgedError(str(error)) from error
    if not header.keys() <= _HEADERS or not isinstance(kind, str) or kind.upper() != "JWT":
        raise ForgedError(f"its header has {sorted(header)} and typ {kind!r}")
    if not isinstance(issuer, str) or not isinstance(kid, str):
        raise ForgedError("iss and kid must be strings")
    return issuer, kid

"""Workloads in Kubernetes clusters, who prove themselves with a projected ServiceAccount token.

The verifier is chosen by (``iss``, ``kid``) among the configured ones, and the key that verified decides the cluster:
many clusters share one issuer string. ``jku``, ``x5u`` and ``jwk`` headers are refused, never followed.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from functools import cache

from joserfc import jws, jwt

from tenantry.model.errors import Code, TenantryError
from tenantry.services.machines.keysets import KeySets
from tenantry.services.machines.token_reviews import review

AUDIENCE = "tenantry-api"
#: the ``sub`` of a ServiceAccount's token: namespace and name as Kubernetes has them
SUBJECT = re.compile(r"system:serviceaccount:[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?:[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
#: what kube-apiserver signs with (``k8s.io/kubernetes/pkg/serviceaccount``)
ALGORITHMS = ("RS256", "ES256", "ES384", "ES512")
LEEWAY = 30  # seconds
MAX_TOKEN = 8192  # characters; a ServiceAccount's has about 1,200

_HEADERS = frozenset({"alg", "kid", "typ"})
logger = logging.getLogger(__name__)


class ForgedError(Exception):
    """The token is not one that a registered cluster issued for us; its text is for the log only."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Whom a token proved to be. ``expires`` is its ``exp`` in epoch seconds.

    ``scopes`` are those that the settings give its subject, None when they do not name it. ``reviewed`` tells that its
    cluster was asked, and is to be asked again. ``audiences`` are all that the token is for.
    """

    cluster: str
    subject: str
    scopes: tuple[str, ...] | None
    expires: float
    reviewed: bool = False
    audiences: tuple[str, ...] = ()


async def verify(token: str, keysets: KeySets, audience: str = AUDIENCE) -> Workload:
    """The workload that ``token`` stands for, when it is for ``audience``.

    Raises:
        ForgedError: it stands for none.
        TenantryError: ``UNAVAILABLE``, the cluster's key set could not be read yet, or it does not review the token.
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
        _required(audience).validate(claims)
    except Exception as error:  # whatever a stranger's token makes a parser raise, it is a bad token
        raise ForgedError(str(error)) from error
    if claims["iss"] != cluster.issuer:
        raise ForgedError(f"the key {kid} is not one of issuer {claims['iss']}")
    subject = claims["sub"]
    if not isinstance(subject, str) or not SUBJECT.fullmatch(subject):
        raise ForgedError(f"{subject} is no ServiceAccount")
    if cluster.token_review_url and await review(cluster, token, audience) != subject:
        raise ForgedError(f"cluster {cluster.name} does not know the token any more")
    return Workload(
        cluster=cluster.name,
        subject=subject,
        scopes=cluster.subjects.get(subject),
        expires=float(claims["exp"]),
        reviewed=bool(cluster.token_review_url),
        audiences=tuple([claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"]),
    )


@cache
def _required(audience: str) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        leeway=LEEWAY,
        iss={"essential": True},
        sub={"essential": True},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        nbf={"essential": True},
        iat={"essential": True},
    )


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

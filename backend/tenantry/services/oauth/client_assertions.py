"""Client assertions: a JWT by which a client proves who it is (RFC 7523).

It is signed with a key that the client has registered; or it is a ServiceAccount token of the workload that the client
names, which the client did not make: so ``iss`` and ``sub`` are the cluster's, it is used until it expires, and the
request says by ``client_id`` whose it is.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass

from joserfc import jws, jwt
from joserfc.jwk import KeySet

from tenantry.model.oauth import OAuthClient
from tenantry.services.machines import workload_places, workloads
from tenantry.services.machines.keysets import KeySets
from tenantry.services.machines.workloads import LEEWAY, MAX_TOKEN, ForgedError
from tenantry.services.standing import Standing

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "ES512")
#: how far ahead it may expire, in seconds: so long must its ``jti`` be kept
MAX_SECONDS = 3600

_HEADERS = frozenset({"alg", "kid", "typ"})


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion that was good; ``id`` is to be spent, and kept until ``expires_at`` (epoch microseconds)."""

    id: str
    expires_at: int


class WorkloadAssertions:
    """Verifies ServiceAccount tokens of registered clusters as assertions for this ``issuer``."""

    def __init__(self, keysets: KeySets, standing: Standing, issuer: str) -> None:
        self._keysets = keysets
        self._standing = standing
        self._issuer = issuer

    async def verify(self, assertion: str, client: OAuthClient) -> None:
        """Check that ``assertion`` is of the workload that ``client`` names, and for our issuer alone.

        One for the API (``tenantry-api``) is not: whoever gets that could have tokens made of it.

        Raises:
            ForgedError: it is not good.
            TenantryError: ``UNAVAILABLE``, the cluster's key set could not be read yet, or it does not review it.
        """
        self._keysets.refresh_files()
        found = await workloads.verify(assertion, self._keysets, self._issuer)
        if found.audiences != (self._issuer,):
            raise ForgedError("aud is not our issuer alone")
        if (found.cluster, found.subject) != (client.cluster, client.subject):
            raise ForgedError(f"{found.subject} of {found.cluster} is not the client's workload")
        owner = await self._standing.holder(found.cluster, found.subject.split(":")[2])
        if not workload_places.is_good(owner, client.tenant_id, given=client.given):
            whose = "another tenant's" if owner else "no tenant's any more"
            raise ForgedError(f"{found.subject} of {found.cluster} is {whose} by now")


def is_workloads(assertion: str) -> bool:
    """Whether an assertion, which is not verified yet, is a ServiceAccount token."""
    return workloads.SUBJECT.fullmatch(subject_of(assertion)) is not None


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

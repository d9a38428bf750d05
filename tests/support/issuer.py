"""A cluster that signs ServiceAccount tokens, for tests that need no cluster."""

import time
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

ISSUER = "https://kubernetes.default.svc.cluster.local"
SUBJECT = "system:serviceaccount:tenantry-system:operator"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A cluster of the test: it signs tokens as kube-apiserver does."""

    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}))
    kid: str = "one"

    def jwks(self) -> dict[str, Any]:
        """Its public key set."""
        return {"keys": [{**self.key.as_dict(private=False), "kid": self.kid}]}

    def cluster(self, name: str = "east", **settings: Any) -> dict[str, Any]:
        """Its entry in the settings."""
        entry = {"name": name, "issuer": ISSUER, "subjects": {SUBJECT: ["platform:reconcile"]}}
        return {**entry, **(settings or {"jwks": self.jwks()})}

    def header(self, **changes: Any) -> dict[str, Any]:
        """The header of a good token; a change to None takes a member out."""
        return _changed({"alg": "RS256", "kid": self.kid}, changes)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token."""
        now = int(time.time())
        kubernetes = {"namespace": "tenantry-system", "serviceaccount": {"name": "operator", "uid": "1"}}
        good = {"iss": ISSUER, "sub": SUBJECT, "aud": ["tenantry-api"], "exp": now + 600, "iat": now, "nbf": now}
        return _changed({**good, "jti": "1", "kubernetes.io": kubernetes}, changes)

    def token(self, claims: dict[str, Any] | None = None, **header: Any) -> str:
        """A token with these claims, good ones unless given."""
        return jwt.encode(
            self.header(**header), self.claims() if claims is None else claims, self.key, default_type=None
        )


def _changed(good: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**good, **changes}.items() if value is not None}

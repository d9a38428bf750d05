"""TokenReview: a cluster is asked whether a token is good, which knows of pods and ServiceAccounts that are gone."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import aiohttp

from tenantry.model.errors import Code, TenantryError
from tenantry.settings import Cluster

#: for how long an answer is believed
REVIEW_SECONDS = 10.0
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_CREATED = 201


async def review(cluster: Cluster, token: str, audience: str) -> str | None:
    """The subject that ``cluster`` says ``token`` is of, for ``audience``; None when it is not good.

    Raises:
        TenantryError: ``UNAVAILABLE``, the cluster does not say.
    """
    spec = {"token": token, "audiences": [audience]}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    try:
        bearer = await asyncio.to_thread(_read, cluster.token_file)
        context = ssl.create_default_context(cafile=cluster.ca_file)
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, headers={"Authorization": f"Bearer {bearer}"}) as session,
            session.post(cluster.token_review_url or "", json=body, ssl=context, allow_redirects=False) as answer,
        ):
            if answer.status != _CREATED:
                raise _unavailable(cluster, f"it answers {answer.status}")
            status = _status(await answer.json())
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise _unavailable(cluster, repr(error)) from error
    if status.get("authenticated") is not True or audience not in (status.get("audiences") or ()):
        return None
    user = status.get("user")
    return user.get("username") if isinstance(user, dict) else None


def _status(answer: Any) -> dict[str, Any]:
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict):
        raise ValueError("the answer has no status")  # noqa: TRY004 - of a value that came from elsewhere
    return status


def _read(path: Path | None) -> str:
    return path.read_text(encoding="ascii").strip() if path else ""


def _unavailable(cluster: Cluster, why: str) -> TenantryError:
    message = f"cluster {cluster.name} does not say whether the token is good: {why}"
    return TenantryError(Code.UNAVAILABLE, message, retry_after=5)

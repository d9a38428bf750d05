"""One verdict on one document, from everybody who judges documents: `parse`, the JSON Schema, an API server.

A server is a real kube-apiserver with the CRDs, or our own: both are asked by `verdict_over_http`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from tenantry.model import manifest
from tenantry.model.kinds import BY_NAME, Kind
from tenantry.model.resource import API_VERSION

Document = dict[str, Any]
ACCEPTED, UNDECODABLE, INVALID = 200, 400, 422


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody says of a document when unknown fields are errors (``fieldValidation=Strict``)."""

    status: int  # ACCEPTED, UNDECODABLE or INVALID
    errors: frozenset[tuple[str, str]] = frozenset()  # (path, code)
    unknown: frozenset[str] = frozenset()  # paths of unknown fields
    stored: Document | None = field(default=None, compare=False)  # the spec with defaults
    messages: frozenset[tuple[str, str]] = field(default=frozenset(), compare=False)  # (path, message)

    def over_http(self) -> Verdict:
        """The same as a server can tell it: of what it cannot decode it names no causes."""
        return replace(self, errors=frozenset()) if self.status == UNDECODABLE else self


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: a document, or an update from ``old`` to it, and what everybody should say of it."""

    id: str
    document: Any
    expected: Verdict
    old: Document | None = None
    json_schema: str = ""  # why the JSON Schema cannot say the same
    http: str = ""  # why a server cannot be asked


def verdict_of_parse(row: Row) -> Verdict:
    """What `parse` says."""
    old = None
    if row.old is not None:
        stored = manifest.parse(row.old)
        assert isinstance(stored, manifest.Manifest), stored
        old = stored.spec
    parsed = manifest.parse(row.document, old=old)
    if isinstance(parsed, manifest.Manifest):
        status = UNDECODABLE if parsed.unknown else ACCEPTED
        return Verdict(status, unknown=frozenset(parsed.unknown), stored=parsed.spec)
    kind = manifest.kind_of(row.document)
    unknown = manifest.unknown_fields(kind, row.document) if isinstance(kind, Kind) else []
    status = UNDECODABLE if unknown or manifest.is_malformed(parsed) else INVALID
    return Verdict(
        status,
        frozenset((error.path, error.code.value) for error in parsed),
        frozenset(unknown),
        messages=frozenset((error.path, error.message) for error in parsed),
    )


async def verdict_over_http(session: aiohttp.ClientSession, base_url: str, row: Row) -> Verdict:
    """What a server says that serves the kinds at Kubernetes paths; nothing stays behind on it.

    Args:
        session: sends the credentials.
        base_url: of the server, without a trailing slash.
        row: whose kind and namespace exist on the server.
    """
    url = base_url + collection(row.document)
    strict = {"fieldValidation": "Strict", "dryRun": "All"}
    if row.old is None:
        return await _send(session, "POST", url, row.document, strict)
    async with session.post(url, json=row.old) as response:
        created = await response.json()
        assert response.status in (200, 201), created
    one = f"{url}/{created['metadata']['name']}"
    try:
        document = copy.deepcopy(row.document)
        document["metadata"]["resourceVersion"] = created["metadata"]["resourceVersion"]
        return await _send(session, "PUT", one, document, strict)
    finally:
        async with session.delete(one) as response:
            assert response.status in (200, 202), await response.text()


def collection(document: Document) -> str:
    """The path below which documents like this one live."""
    kind = BY_NAME[document["kind"]]
    namespace = f"/namespaces/{document['metadata']['namespace']}" if kind.namespaced else ""
    return f"/apis/{API_VERSION}{namespace}/{kind.plural}"


async def _send(
    session: aiohttp.ClientSession, method: str, url: str, document: Document, params: Mapping[str, str]
) -> Verdict:
    headers = {"Content-Type": "application/json"}
    async with session.request(method, url, data=json.dumps(document), params=params, headers=headers) as response:
        answer = await response.json()
    if response.status in (200, 201):
        return Verdict(ACCEPTED, stored=answer["spec"])
    assert response.status in (UNDECODABLE, INVALID), answer
    if response.status == UNDECODABLE:
        return Verdict(UNDECODABLE, unknown=frozenset(re.findall(r'unknown field "([^"]*)"', answer["message"])))
    causes = [cause for cause in answer["details"]["causes"] if cause["field"] != "<nil>"]
    return Verdict(
        INVALID,
        frozenset((cause["field"], cause["reason"]) for cause in causes),
        messages=frozenset((cause["field"], cause["message"]) for cause in causes),
    )

"""The only Kubernetes client: a few verbs over one aiohttp session, which kopf shares.

Every write is a server-side apply by the field manager ``tenantry`` unless the verb says otherwise. A refusal is one of
the errors in :mod:`tenantry_operator.errors`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from tenantry import __version__
from tenantry.model.kinds import CONFIG, PLAN, TENANT, Kind
from tenantry.model.resource import API_VERSION
from tenantry_operator import metrics
from tenantry_operator.access import Access
from tenantry_operator.errors import ConflictError, NotFoundError, UnavailableError, read_error

Document = dict[str, Any]
MANAGER = "tenantry"
APPLY = "application/apply-patch+yaml"
JSON, JSON_PATCH, MERGE_PATCH = "application/json", "application/json-patch+json", "application/merge-patch+json"
_APPLYING = {"fieldManager": MANAGER, "force": "true"}
#: etcd counts on from here, so no object has this version: an apply at it creates or conflicts, and takes nothing over
_NEW = "1"
PAGE = 500
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
QPS, BURST = 50.0, 100  # requests


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object and where it is: ``/api/v1/namespaces/{namespace}/resourcequotas/{name}``."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of one object, or of a collection."""
        parts = ["", "apis" if "/" in self.api_version else "api", self.api_version]
        if namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


def _custom(kind: Kind) -> Resource:
    return Resource(API_VERSION, kind.name, kind.plural)


TENANTS, PLANS, CONFIGS = _custom(TENANT), _custom(PLAN), _custom(CONFIG)
NAMESPACES = Resource("v1", "Namespace", "namespaces")
QUOTAS = Resource("v1", "ResourceQuota", "resourcequotas")
LIMITS = Resource("v1", "LimitRange", "limitranges")
EVENTS = Resource("events.k8s.io/v1", "Event", "events")
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
CRDS = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions")


class Bucket:
    """A token bucket: at most ``burst`` at once, ``qps`` per second in the long run; first come, first served."""

    def __init__(self, qps: float, burst: int) -> None:
        self._qps = qps
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = time.monotonic()

    async def take(self) -> None:
        """Wait for one's turn."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._qps) - 1
        self._at = now
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._qps)


class Kube:
    """One kube-apiserver."""

    def __init__(self, access: Access, *, qps: float = QPS, burst: int = BURST) -> None:
        self._access = access
        self._host = urlsplit(access.server).netloc
        self._bucket = Bucket(qps, burst)
        self._session: aiohttp.ClientSession | None = None
        self.heard_at = 0.0  # monotonic time of the last answer, of kopf's requests too

    @property
    def server(self) -> str:
        """The address."""
        return self._access.server

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, a new one if kopf has closed it: that is what kopf does after a 401."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._access.tls, limit=0),
                headers={"User-Agent": f"tenantry-operator/{__version__}"},
                middlewares=(self._observe,),
            )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Document | None:
        """The object, None when there is none."""
        try:
            return await self._send("GET", resource.path(namespace, name))
        except NotFoundError:
            return None

    async def list(self, resource: Resource, labels: str = "") -> tuple[list[Document], int]:
        """All objects of all namespaces and the resourceVersion at which they were read.

        Raises:
            NotFoundError: the cluster has no such kind.
        """
        items: list[Document] = []
        params = {"limit": str(PAGE)} | ({"labelSelector": labels} if labels else {})
        while True:
            try:
                page = await self._send("GET", resource.path(), params)
            except NotFoundError:
                name = f"{resource.plural} of {resource.api_version}"
                raise NotFoundError(f"the cluster does not serve {name}: is its CRD installed?") from None
            items += page["items"]
            following = page["metadata"].get("continue")
            if not following:
                return items, int(page["metadata"]["resourceVersion"])
            params["continue"] = following

    async def apply(self, resource: Resource, document: Document, *, only_new: bool = False) -> Document:
        """The object after a server-side apply.

        Args:
            resource: its kind.
            document: what is wanted; with ``metadata.uid`` only that very object is changed.
            only_new: create it; ConflictError when the name is taken.
        """
        metadata = document["metadata"]
        if only_new:
            document = document | {"metadata": metadata | {"resourceVersion": _NEW}}
        path = resource.path(metadata.get("namespace", ""), metadata["name"])
        return await self._apply(resource, path, document)

    async def apply_status(self, resource: Resource, document: Document) -> Document:
        """The object after a server-side apply of its status."""
        metadata = document["metadata"]
        path = resource.path(metadata.get("namespace", ""), metadata["name"], "status")
        return await self._apply(resource, path, document)

    async def _apply(self, resource: Resource, path: str, document: Document) -> Document:
        body = {"apiVersion": resource.api_version, "kind": resource.kind} | document
        return await self._send("PATCH", path, _APPLYING, body, APPLY)

    async def replace_spec(self, resource: Resource, name: str, namespace: str, spec: Document) -> Document:
        """The object with exactly ``spec``: what an apply cannot do when others have added fields."""
        patch = [{"op": "replace", "path": "/spec", "value": spec}]
        return await self._patch(resource.path(namespace, name), patch, JSON_PATCH)

    async def set_finalizers(self, resource: Resource, document: Document, finalizers: Sequence[str]) -> Document:
        """The object with exactly these finalizers; ConflictError when it is not ``document`` any more."""
        metadata = document["metadata"]
        same = {key: metadata[key] for key in ("uid", "resourceVersion")}
        path = resource.path(metadata.get("namespace", ""), metadata["name"])
        return await self._patch(path, {"metadata": same | {"finalizers": finalizers}}, MERGE_PATCH)

    async def delete(self, resource: Resource, name: str, namespace: str = "", *, uid: str) -> Document | None:
        """Delete that very object: it, while something keeps it there, or a ``Status``.

        None when it is gone already or another one has its name: there is nothing to do.
        """
        try:
            return await self._send("DELETE", resource.path(namespace, name), body={"preconditions": {"uid": uid}})
        except NotFoundError:
            return None
        except ConflictError as error:
            if "UID in precondition" not in error.message:
                raise
            return None

    async def create(self, resource: Resource, document: Document, namespace: str = "") -> Document:
        """The object, as created; ConflictError when the name is taken."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind} | document
        return await self._send("POST", resource.path(namespace), {"fieldManager": MANAGER}, body)

    async def update(self, resource: Resource, document: Document) -> Document:
        """The object replaced by ``document``; ConflictError when it has changed since that was read."""
        metadata = document["metadata"]
        return await self._send("PUT", resource.path(metadata.get("namespace", ""), metadata["name"]), None, document)

    async def ping(self) -> None:
        """Ask for nothing but an answer."""
        await self._send("GET", "/version")

    async def _patch(self, path: str, body: Any, content_type: str) -> Document:
        return await self._send("PATCH", path, {"fieldManager": MANAGER}, body, content_type)

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Document:
        await self._bucket.take()
        data = orjson.dumps(body) if body is not None else None
        headers = {"Content-Type": content_type} if data else None
        url = self._access.server + path
        try:
            async with self.session.request(
                method, url, params=params, data=data, headers=headers, timeout=TIMEOUT
            ) as response:
                body = await response.read()
                if not response.ok:
                    raise read_error(response.status, _status(body))
                answer: Document = orjson.loads(body)
                return answer
        except TimeoutError:
            raise UnavailableError(f"kube-apiserver did not answer within {TIMEOUT.total} s") from None
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError) as error:
            raise UnavailableError(f"kube-apiserver cannot be reached: {error}") from None

    async def _observe(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Around each request, kopf's too: the token of the moment, and the count."""
        if self._access.token is not None:
            request.headers["Authorization"] = f"Bearer {self._access.token}"
        code = "<error>"
        try:
            response = await handler(request)
            code = str(response.status)
            self.heard_at = time.monotonic()
            return response
        finally:
            metrics.REST_REQUESTS.labels(code, request.method, self._host).inc()


def _status(body: bytes) -> Document:
    """The ``kind: Status`` of a refusal, empty when it is none: of an unknown path, or from a proxy."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return status if isinstance(status, dict) else {}

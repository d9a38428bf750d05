"""The key sets of registered clusters: given in the settings, read from a file, or fetched over verified TLS."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, RSAKey

from tenantry.settings import Cluster, WrongSettingError

Key = RSAKey | ECKey

FILE_SECONDS = 1.0  # how often files are looked at
URL_SECONDS = 300.0  # how often URLs are fetched
UNKNOWN_KEY_SECONDS = 30.0  # how often an unknown kid makes one be fetched before that
_URL_TIMEOUT = aiohttp.ClientTimeout(total=10)
_MAX_BYTES = 1 << 20

logger = logging.getLogger(__name__)


class KeySetError(Exception):
    """A key set that is none, or clashes with another cluster's; its text is one line."""


class KeySets:
    """The keys by which tokens of registered clusters are verified.

    ``generation`` grows with every change: what was verified under an older one is to be verified again.
    """

    def __init__(self, clusters: Sequence[Cluster]) -> None:
        self.generation = 0
        self._clusters = clusters
        self._sets: dict[str, dict[str, Key]] = {}  # cluster -> kid -> key
        self._index: dict[tuple[str, str], tuple[Cluster, Key]] = {}
        self._read: dict[str, tuple[int, ...]] = {}  # cluster -> signature of the file as it was read
        self._looked = 0.0  # when the files were looked at, by time.monotonic()
        self._fetched: dict[str, float] = {}  # cluster -> when its URL was fetched
        self._fetcher: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read every key set; a URL that does not answer now is tried again later.

        Raises:
            WrongSettingError: a key set in the settings or in a file is wrong.
        """
        for index, cluster in enumerate(self._clusters):
            try:
                if cluster.jwks is not None:
                    self._install(cluster, cluster.jwks)
                elif cluster.jwks_file is not None:
                    self._read_file(cluster, cluster.jwks_file)
            except KeySetError as error:
                raise WrongSettingError(f"TENANTRY_CLUSTERS[{index}]: {error}") from None
        if any(cluster.jwks_url for cluster in self._clusters):
            self._fetcher = asyncio.create_task(self._fetch_for_ever())

    async def close(self) -> None:
        """Stop fetching."""
        if self._fetcher:
            self._fetcher.cancel()
            await asyncio.gather(self._fetcher, return_exceptions=True)

    def find(self, issuer: str, kid: str) -> tuple[Cluster, Key] | None:
        """The cluster and the key that sign as ``kid`` of ``issuer``."""
        return self._index.get((issuer, kid))

    def is_missing(self, issuer: str) -> bool:
        """Whether the key set of a cluster with this issuer could not be fetched yet, so that nothing can be said."""
        return any(cluster.issuer == issuer and cluster.name not in self._sets for cluster in self._clusters)

    def refresh_files(self) -> None:
        """Read the files that have changed; a bad one leaves the keys as they were."""
        now = time.monotonic()
        if now - self._looked < FILE_SECONDS:
            return
        self._looked = now
        for cluster in self._clusters:
            path = cluster.jwks_file
            if path is None or _signature(path) == self._read.get(cluster.name):
                continue
            try:
                self._read_file(cluster, path)
                logger.info("read the key set of cluster %s again", cluster.name)
            except KeySetError as error:
                logger.error("the key set of cluster %s stays as it was: %s", cluster.name, error)  # noqa: TRY400

    async def refresh_urls(self, issuer: str) -> None:
        """Fetch the key sets of the clusters with this issuer, unless that was done a moment ago."""
        due = time.monotonic() - UNKNOWN_KEY_SECONDS
        await asyncio.gather(
            *(
                self._fetch(cluster)
                for cluster in self._clusters
                if cluster.jwks_url and cluster.issuer == issuer and self._fetched.get(cluster.name, due) <= due
            )
        )

    async def _fetch_for_ever(self) -> None:
        while True:
            await asyncio.gather(*(self._fetch(cluster) for cluster in self._clusters if cluster.jwks_url))
            missing = any(cluster.name not in self._sets for cluster in self._clusters)
            await asyncio.sleep(UNKNOWN_KEY_SECONDS if missing else URL_SECONDS)

    async def _fetch(self, cluster: Cluster) -> None:
        self._fetched[cluster.name] = time.monotonic()
        try:
            context = ssl.create_default_context(cafile=cluster.ca_file)
            token = cluster.token_file.read_text().strip() if cluster.token_file else ""
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with (
                aiohttp.ClientSession(timeout=_URL_TIMEOUT, headers=headers) as session,
                session.get(cluster.jwks_url or "", ssl=context, allow_redirects=False) as response,
            ):
                response.raise_for_status()
                content = bytearray()
                async for part in response.content.iter_any():
                    content += part
                    if len(content) > _MAX_BYTES:
                        raise KeySetError(f"the key set has more than {_MAX_BYTES} bytes")  # noqa: TRY301 - as others
            self._install(cluster, _parse(bytes(content)))
        except (aiohttp.ClientError, OSError, TimeoutError, KeySetError) as error:
            logger.warning("the key set of cluster %s stays as it was: %r", cluster.name, error)

    def _read_file(self, cluster: Cluster, path: Path) -> None:
        self._read[cluster.name] = _signature(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise KeySetError(f"cannot read {path}: {error.strerror}") from None
        self._install(cluster, _parse(content))

    def _install(self, cluster: Cluster, document: object) -> None:
        keys = _keys(document)
        if keys == self._sets.get(cluster.name):
            return
        for other in self._clusters:
            shared = keys.keys() & self._sets.get(other.name, {}).keys()
            if other is not cluster and other.issuer == cluster.issuer and shared:
                raise KeySetError(
                    f"clusters {cluster.name} and {other.name} have the same issuer and the same key id {min(shared)}"
                )
        self._sets[cluster.name] = keys
        self._index = {
            (each.issuer, kid): (each, key)
            for each in self._clusters
            for kid, key in self._sets.get(each.name, {}).items()
        }
        self.generation += 1


def _parse(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise KeySetError("the key set is not valid JSON") from None


def _keys(document: object) -> dict[str, Key]:
    """Kid to key of a JWK set (RFC 7517); keys of other types and for other uses are left out."""
    found = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(found, list):
        raise KeySetError('the key set has no list "keys"')
    keys: dict[str, Key] = {}
    for data in found:
        if not isinstance(data, dict) or data.get("use", "sig") != "sig" or data.get("kty") not in ("RSA", "EC"):
            continue
        kid = data.get("kid")
        if not isinstance(kid, str) or not kid:
            raise KeySetError("a key has no kid")
        if kid in keys:
            raise KeySetError(f"two keys have the kid {kid}")
        keys[kid] = _key(data, kid)
    if not keys:
        raise KeySetError("the key set has no RSA or EC key for signatures")
    return keys


def _key(data: dict[str, Any], kid: str) -> Key:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)
            key = RSAKey.import_key(data) if data["kty"] == "RSA" else ECKey.import_key(data)
            _ = key.public_key  # parsed only when asked for
    except SecurityWarning as warning:
        raise KeySetError(f"the key {kid} is not safe: {warning}") from None
    except (JoseError, ValueError, TypeError, KeyError):
        raise KeySetError(f"the key {kid} is not valid") from None
    return key


def _signature(path: Path) -> tuple[int, ...]:
    """Changes whenever the file does, also when it is replaced by renaming, as in a mounted ConfigMap."""
    try:
        found = os.stat(path)  # noqa: PTH116 - five times faster than Path.stat, and called on the event loop
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size

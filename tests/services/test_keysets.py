"""Key sets that are fetched over TLS."""

import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc.jwk import ECKey

from tenantry.datadir import DataDirectory
from tenantry.model.errors import Code, TenantryError
from tenantry.services.machines import keysets, workloads
from tenantry.services.machines.keysets import KeySets
from tenantry.settings import Cluster
from tenantry.web.tls import Certificate, local_certificate

ISSUER = "https://kubernetes.default.svc"


class Publisher:
    """An API server's `/openid/v1/jwks`, which can be told what to answer."""

    def __init__(self) -> None:
        self.kid = "one"
        self.status = 200
        self.body: bytes | None = None
        self.asked: list[str] = []
        self.url = ""
        self.ca = Path()

    async def answer(self, request: web.Request) -> web.Response:
        """Publish one key."""
        self.asked.append(request.headers.get("Authorization", ""))
        if self.status == 302:
            raise web.HTTPFound("/elsewhere")
        if self.body is not None:
            return web.Response(body=self.body)
        key = ECKey.generate_key("P-256").as_dict(private=False)
        return web.json_response({"keys": [{**key, "kid": self.kid, "use": "sig"}]}, status=self.status)

    def cluster(self, **settings: Any) -> Cluster:
        """The settings of a cluster that publishes its keys here."""
        return Cluster(name="east", issuer=ISSUER, jwks_url=self.url, ca_file=self.ca, subjects={}, **settings)


@pytest.fixture
async def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Publisher]:
    """A publisher over TLS; an unknown key is asked for at once."""
    monkeypatch.setattr(keysets, "UNKNOWN_KEY_SECONDS", 0.0)
    directory = DataDirectory(tmp_path / "tls")
    directory.open()
    found = Publisher()
    app = web.Application()
    app.router.add_get("/jwks", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=Certificate(*local_certificate(directory)).context)
    await site.start()
    found.url, found.ca = f"https://127.0.0.1:{site.port}/jwks", directory.path / "ca.crt"
    yield found
    await runner.cleanup()


async def _fetched(cluster: Cluster) -> KeySets:
    sets = KeySets([cluster])
    await sets.refresh_urls(ISSUER)
    return sets


async def test_a_key_set_is_fetched_and_fetched_again_for_an_unknown_key(publisher: Publisher) -> None:
    sets = await _fetched(publisher.cluster())
    assert sets.find(ISSUER, "one") is not None
    assert not sets.is_missing(ISSUER)
    publisher.kid = "two"  # the cluster has rotated its key
    await sets.refresh_urls("https://another.issuer")
    assert sets.find(ISSUER, "two") is None
    generation = sets.generation
    await sets.refresh_urls(ISSUER)
    assert sets.find(ISSUER, "two") is not None
    assert sets.find(ISSUER, "one") is None
    assert sets.generation > generation


async def test_a_key_set_comes_in_many_parts_and_has_a_bound(publisher: Publisher) -> None:
    key = {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "one"}
    for spaces, is_read in ((900_000, True), (1_100_000, False)):
        publisher.body = json.dumps({"keys": [key]}).encode() + b" " * spaces
        sets = await _fetched(publisher.cluster())
        assert (sets.find(ISSUER, "one") is not None) is is_read


async def test_an_unknown_key_does_not_make_it_be_fetched_all_the_time(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keysets, "UNKNOWN_KEY_SECONDS", 30.0)
    sets = await _fetched(publisher.cluster())
    for _ in range(5):
        await sets.refresh_urls(ISSUER)
    assert len(publisher.asked) == 1


async def test_the_token_file_is_sent(publisher: Publisher, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc\n")
    await _fetched(publisher.cluster(token_file=token))
    assert publisher.asked == ["Bearer abc"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "body"),
    [(302, None), (500, None), (200, b"no JSON"), (200, b"{}"), (200, b"[" * 100_000), (200, b" " * (2 << 20) + b"{}")],
)
async def test_a_bad_answer_changes_nothing(publisher: Publisher, status: int, body: bytes | None) -> None:
    sets = await _fetched(publisher.cluster())
    publisher.status, publisher.body = status, body
    await sets.refresh_urls(ISSUER)
    assert sets.find(ISSUER, "one") is not None
    assert len(publisher.asked) == 2


async def test_a_server_that_another_ca_vouches_for_is_not_believed(publisher: Publisher) -> None:
    publisher.ca = Path(ssl.get_default_verify_paths().openssl_cafile)
    sets = await _fetched(publisher.cluster())
    assert sets.is_missing(ISSUER)
    assert publisher.asked == []


async def test_as_long_as_there_is_no_key_set_nothing_is_said_of_a_token(publisher: Publisher) -> None:
    publisher.status = 500
    sets = KeySets([publisher.cluster()])
    # {"alg":"ES256","kid":"one"} . {"iss":"https://kubernetes.default.svc"}
    token = "eyJhbGciOiJFUzI1NiIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2t1YmVybmV0ZXMuZGVmYXVsdC5zdmMifQ.AA"
    with pytest.raises(TenantryError) as caught:
        await workloads.verify(token, sets)
    assert (caught.value.code, caught.value.retry_after) == (Code.UNAVAILABLE, 5)
    publisher.status = 200
    with pytest.raises(workloads.ForgedError):
        await workloads.verify(token, sets)


async def test_an_open_key_set_is_fetched_by_itself(publisher: Publisher) -> None:
    sets = KeySets([publisher.cluster()])
    await sets.open()
    while sets.is_missing(ISSUER):
        await sets.refresh_urls(ISSUER)
    await sets.close()

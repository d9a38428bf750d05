"""The local CA, its certificate, and the kubeconfig that trusts it."""

import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import yaml
from cryptography import x509

from tenantry.datadir import DataDirectory, DataDirectoryError
from tenantry.settings import WrongSettingError
from tenantry.web.tls import Certificate, local_certificate
from tests.support.server import ServerInProcess, running_server


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    """An open data directory."""
    found = DataDirectory(tmp_path / "data")
    found.open()
    return found


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_https_is_verified_under_every_loopback_name(server: ServerInProcess) -> None:
    port = server.tls_url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        async with (
            aiohttp.ClientSession(headers=server.headers) as session,
            session.get(f"https://{host}:{port}/v1/me", ssl=server.tls()) as answer,
        ):
            assert answer.status == 200
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(f"{server.tls_url}/v1/me")


async def test_what_is_secret_can_be_read_by_its_owner_only(server: ServerInProcess) -> None:
    assert _mode(server.data_dir) == 0o700
    for name in ("ca.key", "tls.key", "admin-token", "kubeconfig"):
        assert _mode(server.data_dir / name) == 0o600


async def test_a_written_kubeconfig_stays_good_across_restarts(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        first = yaml.safe_load(server.kubeconfig.read_text())
    async with running_server(tmp_path) as server:
        second = yaml.safe_load(server.kubeconfig.read_text())
        assert second["users"] == first["users"]
        assert second["clusters"][0]["cluster"]["server"] == server.tls_url
        first["clusters"][0]["cluster"]["server"] = second["clusters"][0]["cluster"]["server"]
        assert first == second


async def test_a_key_that_was_revoked_is_replaced_at_the_next_start(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        old = server.token
        admin = await server.services.authenticator.authenticate(old, "127.0.0.1")
        await server.services.keys.revoke(admin, old.split("_")[1])
    async with running_server(tmp_path) as server:
        assert server.token != old
        async with server.session() as session, session.get("/v1/me") as answer:
            assert answer.status == 200


def test_a_certificate_is_renewed_a_month_before_its_end_under_the_same_ca(directory: DataDirectory) -> None:
    chain, _ = local_certificate(directory)
    first, ca = chain.read_bytes(), directory.read("ca.crt")
    local_certificate(directory, datetime.now(UTC) + timedelta(days=330))
    assert chain.read_bytes() == first
    local_certificate(directory, datetime.now(UTC) + timedelta(days=340))
    assert chain.read_bytes() != first
    assert directory.read("ca.crt") == ca
    local_certificate(directory, datetime.now(UTC) + timedelta(days=3649))
    assert directory.read("ca.crt") != ca


def test_openssl_accepts_the_chain(directory: DataDirectory) -> None:
    chain, _ = local_certificate(directory)
    found = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", directory.path / "ca.crt", chain],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    ca = x509.load_pem_x509_certificate((directory.path / "ca.crt").read_bytes())
    assert ca.extensions.get_extension_for_class(x509.NameConstraints).critical


def test_damaged_files_are_made_anew(directory: DataDirectory) -> None:
    local_certificate(directory)
    directory.write("ca.key", b"damaged")
    chain, key = local_certificate(directory)
    Certificate(chain, key)
    ssl.create_default_context(cafile=directory.path / "ca.crt")


def test_a_replaced_certificate_is_read_again_and_a_bad_one_is_not(directory: DataDirectory) -> None:
    chain, key = local_certificate(directory)
    certificate = Certificate(chain, key)
    assert not certificate.refresh()
    local_certificate(directory, datetime.now(UTC) + timedelta(days=340))
    assert certificate.refresh()
    assert not certificate.refresh()
    directory.write("tls.crt", b"damaged")
    with pytest.raises(ssl.SSLError):
        certificate.refresh()


async def test_a_deployment_brings_its_own_certificate(tmp_path: Path, directory: DataDirectory) -> None:
    chain, key = local_certificate(directory)
    async with running_server(tmp_path / "other", tls_cert_file=chain, tls_key_file=key) as server:
        context = ssl.create_default_context(cafile=directory.path / "ca.crt")
        async with aiohttp.ClientSession() as session, session.get(f"{server.tls_url}/v1/me", ssl=context) as answer:
            assert answer.status == 401
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    with pytest.raises(WrongSettingError, match=r"^TENANTRY_TLS_CERT_FILE: "):
        async with running_server(tmp_path / "other", tls_cert_file=bad, tls_key_file=key):
            pass


def test_a_data_directory_that_cannot_be_used_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DataDirectoryError, match=r"cannot write to the data directory .*file/data: Not a directory"):
        DataDirectory(file / "data").open()
    with pytest.raises(DataDirectoryError, match="cannot write to the data directory"):
        DataDirectory(file).open()


def test_a_file_is_written_whole_or_not_at_all(directory: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.write("a", b"first")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tenantry.datadir.os.fsync", fail)
    with pytest.raises(DataDirectoryError, match="No space left"):
        directory.write("a", b"second")
    assert directory.read("a") == b"first"
    assert {path.name for path in directory.path.iterdir()} == {".gitignore", "a"}

"""Certificates for HTTPS: a deployment's own, or on loopback one signed by a CA made in the data directory."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenantry.datadir import DataDirectory

CA_CERTIFICATE, _CA_KEY = "ca.crt", "ca.key"
_CERTIFICATE, _KEY = "tls.crt", "tls.key"
_CA_LIFETIME = timedelta(days=3650)
_LIFETIME = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=30)
_SKEW = timedelta(minutes=5)


class Certificate:
    """A certificate chain and its key in files, and the TLS context that serves them."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._files = (chain, key)
        self._read = self._signature()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.load_cert_chain(chain, key)

    def refresh(self) -> bool:
        """Read the files again if they have changed; connections from then on get the new certificate.

        Raises:
            OSError: they do not fit together (``ssl.SSLError``) or cannot be read; the old one stays in use.
        """
        found = self._signature()
        if found == self._read:
            return False
        self._read = found
        self.context.load_cert_chain(*self._files)
        return True

    def _signature(self) -> list[tuple[int, int]]:
        return [(found.st_mtime_ns, found.st_ino) for found in (file.stat() for file in self._files)]


def local_certificate(directory: DataDirectory, now: datetime | None = None) -> tuple[Path, Path]:
    """Certificate chain and key for loopback names: kept while they are good for another 30 days, else made anew.

    The CA stays, so that a kubeconfig which was written before goes on working. It may sign for loopback only.
    """
    now = now or datetime.now(UTC)
    authority = _load(directory, CA_CERTIFICATE, _CA_KEY)
    if authority is None or authority[0].not_valid_after_utc < now + _LIFETIME:
        authority = _make_authority(directory, now)
    certificate = _load(directory, _CERTIFICATE, _KEY)
    if (
        certificate is None
        or certificate[0].issuer != authority[0].subject
        or certificate[0].not_valid_after_utc < now + _RENEW_BEFORE
    ):
        _make_certificate(directory, authority, now)
    return directory.path / _CERTIFICATE, directory.path / _KEY


Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _load(directory: DataDirectory, certificate_name: str, key_name: str) -> Pair | None:
    certificate_pem, key_pem = directory.read(certificate_name), directory.read(key_name)
    if certificate_pem is None or key_pem is None:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        key = serialization.load_pem_private_key(key_pem, password=None)
    except ValueError:
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return certificate, key


def _make_authority(directory: DataDirectory, now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # the key's fingerprint keeps two laptops' authorities apart in one trust store
    fingerprint = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Tenantry local CA {fingerprint}")])
    constraints = x509.NameConstraints(
        permitted_subtrees=[
            x509.DNSName("localhost"),
            x509.IPAddress(IPv4Network("127.0.0.0/8")),
            x509.IPAddress(IPv6Network("::1/128")),
        ],
        excluded_subtrees=None,
    )
    certificate = (
        _builder(subject, subject, key, now, _CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .sign(key, hashes.SHA256())
    )
    _store(directory, CA_CERTIFICATE, _CA_KEY, (certificate, key))
    return certificate, key


def _make_certificate(directory: DataDirectory, authority: Pair, now: datetime) -> None:
    ca, ca_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(name)) for name in ("127.0.0.1", "::1"))]
    certificate = (
        _builder(subject, ca.subject, key, now, _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _store(directory, _CERTIFICATE, _KEY, (certificate, key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    """Key usage of a server (``sign``) or of an authority."""
    return x509.KeyUsage(
        digital_signature=sign,
        key_cert_sign=not sign,
        crl_sign=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _store(directory: DataDirectory, certificate_name: str, key_name: str, pair: Pair) -> None:
    certificate, key = pair
    pem = serialization.Encoding.PEM
    directory.write(key_name, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    directory.write(certificate_name, certificate.public_bytes(pem))

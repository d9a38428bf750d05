"""Settings: defaults that work, and wrong ones named in one line."""

import json
import re
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tenantry import metrics, settings
from tenantry.cli.main import main
from tenantry.settings import Cluster, Settings, WrongSettingError, read_settings

CLUSTER = {"name": "east", "issuer": "https://k", "jwks_url": "https://k/jwks", "subjects": {}}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os  # noqa: PLC0415 - only to see what is there

    for name in os.environ:
        if name.startswith("TENANTRY_"):
            monkeypatch.delenv(name)


def _signed(claims: Any) -> str:
    """A token with those claims and no signature to speak of."""
    return f"e30.{urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


def _read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"TENANTRY_{name}", value)
    return read_settings()


def test_a_laptop_needs_no_setting() -> None:
    found = read_settings()
    assert (found.host, found.port, found.tls_port, found.ops_port) == ("127.0.0.1", 8080, 8443, 9090)
    assert found.database == "sqlite:///.tenantry/tenantry.db"
    assert found.hosts == {"localhost", "127.0.0.1", "::1"}
    assert found.on_loopback


def test_a_deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("p@ss:w/rd\n")
    found = _read(
        monkeypatch,
        HOST="0.0.0.0",  # noqa: S104 - what a pod does
        EXTERNAL_URL="https://Tenantry.example.com/base/",
        ALLOWED_HOSTS="tenantry, tenantry.platform.svc",
        TRUSTED_PROXIES="10.0.0.0/8,fd00::/8",
        DATABASE_URL="mysql://tenantry@db:3306/tenantry",
        DATABASE_PASSWORD_FILE=str(password),
        CLUSTERS=json.dumps([{**CLUSTER, "subjects": {"system:serviceaccount:a:b": ["platform:reconcile"]}}]),
        LOG_LEVEL="warning",
    )
    assert found.external_url == "https://Tenantry.example.com/base"
    assert found.hosts >= {"tenantry.example.com", "tenantry", "tenantry.platform.svc"}
    assert [str(network) for network in found.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert found.database == "mysql://tenantry:p%40ss%3Aw%2Frd@db:3306/tenantry"
    assert found.clusters[0].subjects == {"system:serviceaccount:a:b": ("platform:reconcile",)}
    assert "p@ss" not in repr(found)


def test_the_token_that_fetches_the_key_set_tells_the_issuer(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(_signed({"iss": "https://kubernetes.default.svc.cluster.local", "sub": "x"}) + "\n")
    fetched: dict[str, Any] = {"name": "east", "jwks_url": "https://k/jwks", "token_file": token, "subjects": {}}
    assert Cluster(**fetched).issuer == "https://kubernetes.default.svc.cluster.local"
    assert Cluster(**fetched, issuer="https://k").issuer == "https://k"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot read"),
        ("", "holds no ServiceAccount token"),
        ("opaque", "holds no ServiceAccount token"),
        ("a.%.c", "holds no ServiceAccount token"),
        (_signed({"sub": "x"}), "holds no ServiceAccount token"),
        (_signed(["iss"]), "holds no ServiceAccount token"),
        (_signed({"iss": ""}), "holds no ServiceAccount token"),
        (_signed({"iss": 1}), "holds no ServiceAccount token"),
    ],
)
def test_a_file_that_tells_no_issuer_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, why: str
) -> None:
    token = tmp_path / "token"
    if text is not None:
        token.write_text(text)
    cluster = {**CLUSTER, "token_file": str(token)}
    del cluster["issuer"]
    with pytest.raises(WrongSettingError) as caught:
        _read(monkeypatch, CLUSTERS=json.dumps([cluster]))
    assert str(caught.value).startswith("TENANTRY_CLUSTERS[0].issuer: ")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"PORT": "x"}, "TENANTRY_PORT: input should be a valid integer"),
        ({"PORT": "70000"}, "TENANTRY_PORT: input should be less than or equal to 65535"),
        ({"PORT": "tcp://10.0.0.1:8080"}, "TENANTRY_PORT: Kubernetes set it for a Service named tenantry"),
        ({"HOST": "0.0.0.0"}, "TENANTRY_EXTERNAL_URL: must be set, because HOST=0.0.0.0 is not loopback"),  # noqa: S104
        (
            {"HOST": "0.0.0.0", "EXTERNAL_URL": "https://t.example.com", "SECOND_FACTOR": "Administrators"},  # noqa: S104
            "TENANTRY_KEY_FILE: must be set, because TENANTRY_SECOND_FACTOR=Administrators asks for what only",
        ),
        ({"EXTERNAL_URL": "tenantry.example.com"}, "TENANTRY_EXTERNAL_URL: must be a URL such as"),
        ({"EXTERNAL_URL": "http://tenantry.example.com"}, "TENANTRY_EXTERNAL_URL: must begin with https://"),
        ({"OUTBOUND_ALLOW": "10.0.0.0/99"}, "TENANTRY_OUTBOUND_ALLOW: '10.0.0.0/99' does not appear to be"),
        (
            {"OUTBOUND_ALLOW": "http://127.0.0.1:3000"},
            "TENANTRY_OUTBOUND_ALLOW: http://127.0.0.1:3000 must be a host name, an address or a CIDR, with no scheme,",
        ),
        *(
            (
                {"OUTBOUND_ALLOW": item},
                f"TENANTRY_OUTBOUND_ALLOW: {item} must be a host name, an address or a CIDR, with",
            )
            for item in ("idp.internal:8080", "10.0.0.7:8080", "[::1]", "[fd00::1]:8080")
        ),
        *(
            ({"OUTBOUND_ALLOW_TENANTS": item}, f"TENANTRY_OUTBOUND_ALLOW_TENANTS: {item} is neither a host name")
            for item in (".internal", "*.internal", "a..internal", "-a")
        ),
        (
            {"OUTBOUND_ALLOW": "::ffff:10.0.0.0/104"},
            "TENANTRY_OUTBOUND_ALLOW: ::ffff:10.0.0.0/104 stands for IPv4 addresses: write those, from 10.0.0.0",
        ),
        ({"OUTBOUND_ALLOW": "idp.internal, a b"}, "TENANTRY_OUTBOUND_ALLOW: a b is neither a host name"),
        (
            {"TRUSTED_PROXIES": "10.0.0.0/8,x"},
            "TENANTRY_TRUSTED_PROXIES: 'x' does not appear to be an IPv4 or IPv6 network",
        ),
        ({"DATABASE_URL": "postgres://u:hunter2@db/x"}, "TENANTRY_DATABASE_URL: must be mysql://"),
        ({"DATABASE_URL": "mysql://u:hunter2@db/x?ssl-ca=/no"}, "TENANTRY_DATABASE_URL: ssl-ca=/no holds no CA"),
        ({"DATABASE_URL": "mysql://u:hunter2@db/x?ssl-ca=/dev/null"}, "TENANTRY_DATABASE_URL: ssl-ca=/dev/null holds"),
        ({"DATABASE_PASSWORD_FILE": "/nowhere"}, "TENANTRY_DATABASE_PASSWORD_FILE: cannot read /nowhere"),
        ({"TLS_CERT_FILE": "/etc/hostname"}, "TENANTRY_TLS_KEY_FILE: must be set too"),
        (
            {"PORT": "70000", "TLS_PORT": "-1", "LOG_LEVEL": "loud"},
            (
                "TENANTRY_PORT: input should be less than or equal to 65535; TENANTRY_TLS_PORT: input should be "
                "greater than or equal to 0; TENANTRY_LOG_LEVEL: input should be 'debug'"
            ),
        ),
        (
            {"TLS_CERT_FILE": "/etc/hostname", "SMTP_URL": "smtp://localhost"},
            "TENANTRY_TLS_KEY_FILE: must be set too; TENANTRY_SMTP_FROM: must be set too",
        ),
        (
            {"PORT": "9090", "TLS_PORT": "9090"},
            (
                "TENANTRY_OPS_PORT: is 9090 as TENANTRY_PORT is: each listens on one of its own; "
                "TENANTRY_TLS_PORT: is 9090 as TENANTRY_PORT is: each listens on one of its own; "
            ),
        ),
        ({"LOG_LEVEL": "loud"}, "TENANTRY_LOG_LEVEL: input should be 'debug', 'info', 'warning' or 'error'"),
        ({"CLUSTERS": "{"}, "TENANTRY_CLUSTERS: is not valid JSON"),
        ({"CLUSTERS": "[{}]"}, "TENANTRY_CLUSTERS[0].name: field required"),
        (
            {"CLUSTERS": json.dumps([{**CLUSTER, "issuer": ""}])},
            "TENANTRY_CLUSTERS[0].issuer: must be given, or else token_file",
        ),
        ({"CLUSTERS": json.dumps([CLUSTER, CLUSTER])}, "TENANTRY_CLUSTERS: two clusters have the same name"),
        (
            {"CLUSTERS": json.dumps([{**CLUSTER, "name": "api"}])},
            "TENANTRY_CLUSTERS[0].name: api is who manages what no cluster does; choose another name",
        ),
        (
            {"CLUSTERS": json.dumps([{**CLUSTER, "jwks": {}}])},
            "TENANTRY_CLUSTERS[0]: exactly one of jwks, jwks_file and jwks_url must be given",
        ),
        ({"CLUSTERS": json.dumps([{**CLUSTER, "jwks_url": "http://k"}])}, "TENANTRY_CLUSTERS[0].jwks_url: "),
        (
            {"CLUSTERS": json.dumps([{**CLUSTER, "subjects": {"system:serviceaccount:a:b": ["x"]}}])},
            "TENANTRY_CLUSTERS[0].subjects: there is no scope x",
        ),
        (
            {"DATABASE_URL": "mysql://root:s3cr3t/x@db:3306/t"},
            "TENANTRY_DATABASE_URL: must be mysql://user:password@host:3306/database or sqlite:///path, with what is",
        ),
        (
            {"DATABSE_URL": "mysql://x"},
            "TENANTRY_DATABSE_URL: there is no such setting; did you mean TENANTRY_DATABASE",
        ),
        (
            {"HTTP_PORT": "8080"},
            "TENANTRY_HTTP_PORT: there is no such setting; did you mean TENANTRY_TLS_PORT or TENANTRY_OPS_PORT or ",
        ),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], line: str
) -> None:
    with pytest.raises(WrongSettingError) as caught:
        _read(monkeypatch, **variables)
    text = str(caught.value)
    assert text.startswith(line)
    assert "\n" not in text
    assert "hunter2" not in text


def test_only_ports_that_are_listened_on_must_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = {"HOST": "0.0.0.0", "EXTERNAL_URL": "https://t.example.com"}  # noqa: S104
    _read(monkeypatch, PORT="8443", **deployed)  # with no certificate there is no HTTPS


def test_what_kubernetes_sets_for_a_service_is_no_misspelling(monkeypatch: pytest.MonkeyPatch) -> None:
    _read(monkeypatch, SERVICE_HOST="10.0.0.1", SERVICE_PORT_HTTP="8080", PORT_8080_TCP_ADDR="10.0.0.1")


def test_what_commands_find_their_server_by_is_no_misspelling(monkeypatch: pytest.MonkeyPatch) -> None:
    _read(monkeypatch, SERVER="https://t.example.com", TOKEN="t", CA_FILE="ca.crt", API_URL="https://t.example.com")


def test_a_wrong_setting_ends_the_process_with_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANTRY_PORT", "x")
    result = CliRunner().invoke(main, ["serve"])
    assert result.exit_code == 78
    assert result.output.startswith("tenantry: TENANTRY_PORT: ")
    assert result.output.count("\n") == 1


def test_the_tables_have_a_row_for_everything() -> None:
    rows = settings.table().splitlines()
    assert len(rows) == 2 + len(Settings.model_fields)
    assert "| `TENANTRY_PORT` | `8080` | Port for plain HTTP; 0 takes a free one. |" in rows
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
    assert all(field.description for field in Settings.model_fields.values())


def test_the_table_of_metrics_names_all_that_are_exposed(pytestconfig: pytest.Config) -> None:
    del pytestconfig
    exposed = {family.name for family in metrics.REGISTRY.collect() if family.name.startswith("tenantry_")}
    declared = {re.sub(r"_(total|info)$", "", metric.name) for metric in metrics.METRICS}
    assert {re.sub(r"_(total|info)$", "", name) for name in exposed} == declared
    assert len(metrics.table().splitlines()) == 2 + len(metrics.METRICS)

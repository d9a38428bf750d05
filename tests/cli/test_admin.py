"""`tenantry admin key`: what is said of keys, and of those that cannot be made."""

from base64 import b64encode
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.cli import run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a database."""
    assert run("migrate", DATA_DIR=str(tmp_path)).exit_code == 0
    return tmp_path


def key(data: Path, *arguments: str) -> Result:
    """`tenantry admin key` in a data directory."""
    return run("admin", "key", *arguments, DATA_DIR=str(data))


@pytest.mark.parametrize("arguments", [["create", "x"], ["list"], ["revoke", "x"]], ids=" ".join)
def test_no_database_is_made(tmp_path: Path, arguments: list[str]) -> None:
    data = tmp_path / "none"
    refused = key(data, *arguments)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"tenantry: there is no database {data}/tenantry.db: "
        "name the server's with TENANTRY_DATA_DIR or TENANTRY_DATABASE_URL\n"
    )
    assert not data.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["x", "--from", "10.0.0.0/99"], "--from: Invalid value: '10.0.0.0/99' does not appear to be "),
        ([""], "NAME: Invalid value: must be 1 to 100 printable characters"),
    ],
)
def test_what_is_wrong_is_said_by_its_option(data: Path, arguments: list[str], says: str) -> None:
    refused = key(data, "create", *arguments)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"tenantry: the key is not valid: {says}")
    assert refused.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("days", ["-1", "36501"])
def test_days_have_a_range(data: Path, days: str) -> None:
    refused = key(data, "create", "x", "--days", days)
    assert refused.exit_code == 2
    assert "Invalid value for '--days': " in refused.stderr


def test_a_new_key_is_described_beside_its_token(data: Path) -> None:
    made = key(data, "create", "grafana", "--scope", "platform:read", "--days", "0", "--from", "10.0.0.0/8")
    identifier = made.stdout.split("_")[1]
    assert made.stdout.count("\n") == 1
    assert made.stderr == f"key {identifier} (grafana): platform:read; from 10.0.0.0/8; never expires\n"


def test_keys_are_a_table(data: Path) -> None:
    identifier = key(data, "create", "two words", "--from", "10.0.0.0/8", "--from", "::1/128").stdout.split("_")[1]
    heading, row = key(data, "list").stdout.splitlines()
    assert heading.split() == ["ID", "STATE", "SCOPES", "FROM", "LAST", "USED", "NAME"]
    assert row.startswith(f"{identifier}   expires ")
    cells = [row[heading.index(name) :].split("   ")[0] for name in ("SCOPES", "FROM", "LAST USED", "NAME")]
    assert cells == ["platform:admin", "10.0.0.0/8,::1/128", "never", "two words"]


def test_a_key_is_revoked_by_its_name_or_id(data: Path) -> None:
    first, second, third = (key(data, "create", name).stdout.split("_")[1] for name in ("ci", "ci", "grafana"))
    assert key(data, "revoke", "grafana").stdout == f"revoked {third} (grafana)\n"
    refused = key(data, "revoke", "ci")
    assert (refused.exit_code, refused.stdout) == (1, "")
    ids = " or ".join(sorted([first, second]))
    assert refused.stderr == f'tenantry: 2 API keys have the name "ci": name one by its ID, {ids}\n'
    key(data, "create", first)  # a name that is another's ID
    assert key(data, "revoke", first).stdout == f"revoked {first} (ci)\n"
    assert key(data, "revoke", "ci").stdout == f"revoked {second} (ci)\n"
    assert key(data, "revoke", "ci").stderr == 'tenantry: there is no API key "ci"\n'


def test_signing_keys_are_rotated_listed_and_dropped(data: Path) -> None:
    def signing_keys(*arguments: str) -> Result:
        return run("admin", "signing-keys", *arguments, DATA_DIR=str(data))

    upcoming = signing_keys("rotate")
    assert upcoming.exit_code == 0, upcoming.stderr
    refused = signing_keys("drop-active")  # nobody is there to say yes
    assert (refused.exit_code, len(signing_keys("list").stdout.splitlines())) == (1, 2)
    dropped = signing_keys("drop-active", "--yes")
    assert dropped.exit_code == 0, dropped.stderr
    _, first, second = (line.split() for line in signing_keys("list").stdout.splitlines())
    assert (first[0], first[1:3]) == (dropped.stdout.split()[1], ["RS256", "active"])
    assert (second[0], second[1:3]) == (upcoming.stdout.split()[1], ["RS256", "next"])


def test_a_signing_key_that_no_key_here_has_encrypted_is_unreadable(data: Path) -> None:
    assert run("admin", "signing-keys", "rotate", DATA_DIR=str(data)).exit_code == 0
    key_file = data / "keys"
    key_file.write_text(b64encode(bytes(32)).decode())
    listed = run("admin", "signing-keys", "list", DATA_DIR=str(data), KEY_FILE=str(key_file))
    assert listed.stdout.splitlines()[1].split()[2] == "unreadable"


def test_secrets_are_encrypted_anew(data: Path) -> None:
    arguments = ("admin", "reencrypt")
    assert run("admin", "signing-keys", "rotate", DATA_DIR=str(data)).exit_code == 0
    key_file = data / "keys"
    keys = [b64encode(letter * 32).decode() for letter in (b"a", b"b")]
    old = (data / "encryption-key").read_text()
    for lines, renewed in (([keys[0], old], 1), ([keys[0], old], 0), ([keys[0]], 0), ([keys[1], keys[0]], 1)):
        key_file.write_text("\n".join(lines))
        done = run(*arguments, DATA_DIR=str(data), KEY_FILE=str(key_file))
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[0] == f"signing keys: 1, of which {renewed} encrypted anew"
    key_file.write_text(old)
    lost = run(*arguments, DATA_DIR=str(data), KEY_FILE=str(key_file))
    assert lost.exit_code != 0
    assert "no key in TENANTRY_KEY_FILE has encrypted these" in lost.stderr

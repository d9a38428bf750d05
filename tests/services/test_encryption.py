"""Secrets at rest: read with the key and in their place only."""

from base64 import b64encode
from pathlib import Path

import pytest

from tenantry.datadir import DataDirectory
from tenantry.model.errors import Code, TenantryError
from tenantry.services.encryption import Encryption, open_encryption
from tenantry.settings import Settings, WrongSettingError

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_is_encrypted_is_read_again_in_its_place() -> None:
    sealed = Encryption([OLD]).encrypt(b"secret", "signing-key:1")
    assert "secret" not in sealed
    assert sealed != Encryption([OLD]).encrypt(b"secret", "signing-key:1")
    assert Encryption([OLD]).decrypt(sealed, "signing-key:1") == b"secret"
    assert Encryption([NEW, OLD]).decrypt(sealed, "signing-key:1") == b"secret"
    for other, context in ((Encryption([OLD]), "signing-key:2"), (Encryption([NEW]), "signing-key:1")):
        with pytest.raises(TenantryError, match="not the one that encrypted signing-key") as caught:
            other.decrypt(sealed, context)
        assert caught.value.code is Code.UNAVAILABLE


def test_a_key_of_each_key_for_each_purpose() -> None:
    assert Encryption([]).derive("a") == []
    new, old = Encryption([NEW, OLD]).derive("a")
    assert [old] == Encryption([OLD]).derive("a") != [new]
    assert Encryption([OLD]).derive("b") != [old]
    assert {len(new), len(old)} == {32}
    assert not {new, old} & {NEW, OLD}


def test_a_laptop_makes_a_key_and_keeps_it(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.open()
    settings = Settings(data_dir=directory.path)
    sealed = open_encryption(settings, directory).encrypt(b"secret", "a")
    assert open_encryption(settings, directory).decrypt(sealed, "a") == b"secret"
    assert (directory.path / "encryption-key").stat().st_mode & 0o777 == 0o600


def test_elsewhere_the_key_is_given_or_there_is_none(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    with pytest.raises(TenantryError, match="TENANTRY_KEY_FILE is not set"):
        open_encryption(Settings(host="0.0.0.0", external_url="https://a.example"), directory).encrypt(b"", "a")  # noqa: S104
    file = tmp_path / "key"
    file.write_bytes(b"\n".join(map(b64encode, (NEW, OLD))) + b"\n")
    sealed = Encryption([OLD]).encrypt(b"secret", "a")
    assert open_encryption(Settings(key_file=file), directory).decrypt(sealed, "a") == b"secret"
    for wrong in (b"", b"c2hvcnQ=", b"\xff", b"not base64!"):
        file.write_bytes(wrong)
        with pytest.raises(WrongSettingError, match="32 random bytes in base64"):
            open_encryption(Settings(key_file=file), directory)

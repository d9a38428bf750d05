"""One-time passwords against the vectors of RFC 6238, and around the clock."""

import math
from base64 import b32encode

import pytest

from tenantry.model import totp
from tenantry.model.factors import hash_recovery_code, new_recovery_code

SECRET = b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("now", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_vectors_of_the_rfc(now: int, code: str) -> None:
    assert totp.code_of(SECRET, now // 30) == code
    assert totp.step_of(SECRET, code, now) == now // 30


def test_a_code_is_good_for_a_step_before_and_after() -> None:
    now = 1_700_000_010
    code = totp.code_of(SECRET, now // 30)
    accepted = [totp.step_of(SECRET, code, now + drift) != 0 for drift in (-60, -30, 0, 30, 60)]
    assert accepted == [False, True, True, True, False]
    for wrong in ("", "12345", code + "0", "\u0661" * 6, "\ud800" * 6):
        assert totp.step_of(SECRET, wrong, now) == 0


def test_an_app_is_told_by_a_uri() -> None:
    assert totp.uri("ABC", "ada+1@example.com", "Tenantry") == (
        "otpauth://totp/Tenantry%3Aada%2B1%40example.com?secret=ABC&issuer=Tenantry"
    )
    assert len({totp.new_secret() for _ in range(50)}) == 50


def test_a_recovery_code_may_be_typed_in_many_ways() -> None:
    code = new_recovery_code()
    assert {hash_recovery_code(typed) for typed in (code, code.upper(), code.replace("-", " "), f" {code}\n")} == {
        hash_recovery_code(code)
    }
    assert len({new_recovery_code() for _ in range(50)}) == 50


def test_a_recovery_code_has_128_bit() -> None:
    code = new_recovery_code().replace("-", "")
    letters = set("".join(new_recovery_code() for _ in range(100))) - {"-"}
    assert len(code) * math.log2(len(letters)) >= 128  # ASVS 11.5.1

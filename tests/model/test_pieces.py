"""A text is searched piece by piece as it would be at once."""

import re

import pytest

from tenantry.model import canonical, pieces

LENGTH = pieces.LENGTH


@pytest.mark.parametrize("at", [0, 1, LENGTH - 4, LENGTH - 3, LENGTH - 2, LENGTH - 1, LENGTH, 3 * LENGTH - 1])
def test_what_is_anywhere_is_found(at: int) -> None:
    pattern = re.compile("a+b")
    found = pieces.search(pattern, "x" * at + "aaab" + "x" * LENGTH, 4)
    assert found is not None
    assert found.span() == (at, at + 4)


def test_what_is_nowhere_is_not_found() -> None:
    assert pieces.search(re.compile("ab"), "a" * 3 * LENGTH, 2) is None
    assert pieces.search(re.compile(r"(?!\A)x"), "x", 1) is None
    assert pieces.search(re.compile("x"), "", 1) is None


@pytest.mark.parametrize("number", [1e16, -1.2345678901234567e-300, -1234567890123456.5, 2.0**53])
def test_a_float_is_written_in_its_canonical_form_wherever_it_stands(number: float) -> None:
    written = canonical.dumps([number])[1:-1]
    for at in range(26):
        text = "x" * (LENGTH - at)
        assert canonical.dumps([text, number]) == f'["{text}",{written}]'

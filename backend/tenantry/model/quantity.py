"""Kubernetes resource quantities, exactly: ``500m``, ``2``, ``16Gi`` (apimachinery ``resource.Quantity``)."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache

_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)}
_SMALL = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1)}
_SUFFIXES = _BINARY | _DECIMAL | _SMALL


@lru_cache(maxsize=4096)
def amount(quantity: int | str) -> Decimal:
    """The exact amount in base units (cores, bytes, pieces).

    Raises:
        ArithmeticError: the text is not a quantity.
    """
    if isinstance(quantity, int):
        return Decimal(quantity)
    number = quantity.rstrip("iKMGTPEkmun")
    if not quantity.endswith("i") and quantity[len(number) :].startswith("E") and quantity[-1:].isdigit():
        number = quantity  # 1E3: an exponent, not exa
    suffix = quantity[len(number) :]
    if suffix not in _SUFFIXES:
        return Decimal(quantity)
    return Decimal(number) * _SUFFIXES[suffix]


def equal(left: int | str, right: int | str) -> bool:
    """Whether two quantities are the same amount: ``1000m`` is ``1``."""
    return amount(left) == amount(right)


def share(quantity: int | str, percent: int, resource: str) -> str:
    """``percent`` of an amount, rounded down: to a thousandth for compute, to a whole for counts and bytes."""
    exact = amount(quantity) * percent / 100
    if resource.rpartition(".")[2] == "cpu":
        milli = int((exact * 1000).to_integral_value(ROUND_FLOOR))
        return f"{milli}m" if milli % 1000 else str(milli // 1000)
    return str(int(exact.to_integral_value(ROUND_FLOOR)))

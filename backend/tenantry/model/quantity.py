"""Kubernetes resource quantities, exactly: ``500m``, ``2``, ``16Gi`` (apimachinery ``resource.Quantity``)."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from functools import lru_cache

_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)}
_SMALL = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1)}
_SUFFIXES = _BINARY | _DECIMAL | _SMALL
#: digits enough for all of 32 characters, whether they end in ``e99`` or in ``Ei``
_EXACT = Context(prec=200)
_MILLI = Decimal("0.001")
#: beyond it kube-apiserver cuts an amount down, refuses it, or forgets its exponent: ``1000E`` becomes ``1``
_MOST = 2**63 - 1


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
    return _EXACT.multiply(Decimal(number), _SUFFIXES[suffix])


@lru_cache(maxsize=4096)
def settled(quantity: int | str) -> str:
    """The amount that kube-apiserver makes of a quantity in a quota or a limit range, as a plain decimal.

    It rounds up to a thousandth (``SetDefaults_ResourceList`` of core/v1).

    Raises:
        ArithmeticError: the text is not a quantity.
    """
    return format(amount(quantity).quantize(_MILLI, ROUND_CEILING, _EXACT).normalize(_EXACT), "f")


def bounded(quantity: int | str) -> int | str:
    """``quantity``, or the most that kube-apiserver can keep (2^63 - 1)."""
    return quantity if amount(quantity) <= _MOST else str(_MOST)


def share(quantity: int | str, percent: int, resource: str) -> str:
    """``percent`` of an amount, rounded down: to a thousandth for compute, to a whole for counts and bytes."""
    exact = _EXACT.multiply(amount(quantity), Decimal(percent).scaleb(-2))
    if resource.rpartition(".")[2] == "cpu":
        milli = int(exact.scaleb(3, _EXACT).to_integral_value(ROUND_FLOOR))
        return f"{milli}m" if milli % 1000 else str(milli // 1000)
    return str(int(exact.to_integral_value(ROUND_FLOOR)))

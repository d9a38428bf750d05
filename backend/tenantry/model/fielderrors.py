"""Field errors in kube-apiserver's words (apimachinery ``pkg/util/validation/field/errors.go``)."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.quoting import encode_json, quote

#: of a wrong value, as much as an error shows; kube-apiserver shows all of it
_SHOWN = 200
#: after one of these kube-apiserver checks no cross-field rule, because a rule may trip over such a value
BLOCKING = frozenset(
    {FieldCode.REQUIRED, FieldCode.TYPE_INVALID, FieldCode.NOT_SUPPORTED, FieldCode.TOO_LONG, FieldCode.TOO_MANY}
)


class FieldErrors:
    """What is wrong with the fields of one form, all of which is told at once.

    A context that keeps what the check within it says of fields, so that the next one has its say too.
    """

    def __init__(self) -> None:
        self._found: list[TenantryError] = []

    def __enter__(self) -> None:
        """Nothing is to be prepared."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, TenantryError) or error.code is not Code.INVALID:
            return False
        self._found.append(error)
        return True

    def refuse(self) -> None:
        """End here if anything is wrong.

        Raises:
            TenantryError: ``INVALID``.
        """
        if self._found:
            message = "; ".join(error.message for error in self._found)
            raise TenantryError(Code.INVALID, message, [field for error in self._found for field in error.fields])


def required(path: str, detail: str = "") -> FieldError:
    """Something is missing."""
    return FieldError(path, FieldCode.REQUIRED, f"Required value: {detail}" if detail else "Required value")


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """The value is of the right type and still wrong."""
    return FieldError(path, FieldCode.INVALID, f"Invalid value: {_shown(value)}: {detail}")


def broken(path: str, detail: str) -> FieldError:
    """A rule over several fields does not hold."""
    return FieldError(path, FieldCode.INVALID, f"Invalid value: {detail}")


def type_invalid(path: str, found: str, expected: str) -> FieldError:
    """The value is of the type ``found``."""
    message = f'Invalid value: "{found}": {path} in body must be of type {expected}: "{found}"'
    return FieldError(path, FieldCode.TYPE_INVALID, message)


def not_supported(path: str, value: Any, supported: Iterable[Any]) -> FieldError:
    """The value is not one of those that are."""
    values = ", ".join(quote(str(item)) for item in supported)
    return FieldError(path, FieldCode.NOT_SUPPORTED, f"Unsupported value: {_shown(value)}: supported values: {values}")


def too_long(path: str, limit: int) -> FieldError:
    """The text has more than ``limit`` characters (bytes, it says, and counts characters)."""
    return FieldError(path, FieldCode.TOO_LONG, f"Too long: may not be more than {limit} byte{'s'[: limit != 1]}")


def too_many(path: str, actual: int, limit: int) -> FieldError:
    """The list or object has more than ``limit`` entries."""
    items = "item" if limit == 1 else "items"
    return FieldError(path, FieldCode.TOO_MANY, f"Too many: {actual}: must have at most {limit} {items}")


def duplicate(path: str, value: Any) -> FieldError:
    """The value, or the key of the entry, stands in the list before."""
    return FieldError(path, FieldCode.DUPLICATE, f"Duplicate value: {_shown(value)}")


def forbidden(path: str, detail: str) -> FieldError:
    """The field may not be set here."""
    return FieldError(path, FieldCode.FORBIDDEN, f"Forbidden: {detail}")


def _shown(value: Any) -> str:
    return quote(value[:_SHOWN]) if isinstance(value, str) else encode_json(value)[:_SHOWN]

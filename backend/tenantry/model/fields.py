"""The building blocks of a spec: the strict base class, list semantics, rules, and field types used by several kinds.

Everything Kubernetes needs to know about a field (list type, CEL, int-or-string) is declared where the field is, as an
annotation that pydantic reads for validation and ``schema.py`` for the CRD.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator
from pydantic import WithJsonSchema as JsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tenantry.model import names


@dataclass(frozen=True, slots=True)
class Rule:
    """One cross-field rule, said twice: in CEL for the CRD and in Python for the parser.

    ``holds`` gets the object that the rule is attached to, as a JSON tree of the right shape and with defaults, like
    ``self`` in CEL; for a transition rule the old one too. A table test proves that both say the same.
    """

    cel: str
    message: str
    holds: Callable[..., bool]
    transition: bool = False
    path: str = ""  # the field that is to blame, when it is not the one the rule stands on

    def to_schema(self) -> dict[str, str]:
        """The entry of ``x-kubernetes-validations``."""
        entry = {"rule": self.cel, "message": self.message}
        return entry | {"fieldPath": f".{self.path}"} if self.path else entry


class Model(BaseModel):
    """The base of every spec and status type: strict, closed, camelCase on the outside."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        validate_by_alias=True,
        regex_engine="rust-regex",
        use_attribute_docstrings=True,
    )

    #: checked by ``rules.check`` after the shape is right, and written into the CRD
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The model of stored JSON text, which was valid when it was written."""
        return cls.model_validate_json(text)


class View(Model):
    """The base of what the application API answers: made in Python, by the names that its fields have there."""

    model_config = ConfigDict(validate_by_name=True)


@dataclass(frozen=True, slots=True)
class ListMap:
    """``x-kubernetes-list-type: map``: entries are known by the value of ``key``, which is unique."""

    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}

    def _check(self, items: list[Any]) -> list[Any]:
        _refuse_duplicates([getattr(item, self.key) for item in items])
        return items


class ListSet:
    """``x-kubernetes-list-type: set``: each value at most once."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"x-kubernetes-list-type": "set"}

    @staticmethod
    def _check(items: list[Any]) -> list[Any]:
        _refuse_duplicates(items)
        return items


def _refuse_duplicates(keys: list[Any]) -> None:
    if len(set(keys)) < len(keys):
        raise ValueError


def _check_quantity(value: object) -> int | str:
    if isinstance(value, str) and len(value) <= _QUANTITY_LENGTH and _QUANTITY.fullmatch(value):
        return value
    return _check_int(value, at_least=0)


def _check_int_or_percent(value: object) -> int | str:
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return value
    return _check_int(value, at_least=1)


def _check_int(value: object, at_least: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and at_least <= value < 1 << 63:
        return value
    raise ValueError


_QUANTITY_LENGTH = 32
_QUANTITY = re.compile(names.QUANTITY)
_PERCENT = re.compile(names.PERCENT)
_INT_OR_STRING = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}

Quantity = Annotated[
    int | str,
    PlainValidator(_check_quantity),
    JsonSchema(_INT_OR_STRING | {"pattern": names.QUANTITY, "maxLength": _QUANTITY_LENGTH, "minimum": 0}),
]
IntOrPercent = Annotated[
    int | str,
    PlainValidator(_check_int_or_percent),
    JsonSchema(_INT_OR_STRING | {"pattern": names.PERCENT, "minimum": 1}),
]
Duration = Annotated[str, Field(pattern=names.DURATION, max_length=32)]
DateTime = Annotated[str, Field(pattern=names.DATE_TIME, max_length=40)]
DisplayName = Annotated[str, Field(min_length=1, max_length=128)]
TenantName = Annotated[str, Field(pattern=names.TENANT_NAME)]
ObjectName = Annotated[str, Field(pattern=names.DNS_SUBDOMAIN, max_length=253)]
NamespaceName = Annotated[str, Field(pattern=names.DNS_LABEL, max_length=63)]
NamespaceSuffix = Annotated[str, Field(pattern=names.NAMESPACE_SUFFIX, max_length=22)]
Profile = Literal["Isolated", "SameTenant", "Open"]
Standard = Literal["privileged", "baseline", "restricted"]


def duration_seconds(duration: str) -> int:
    """A :data:`Duration` such as ``720h`` or ``1h30m`` in seconds."""
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9]+)([hms])", duration))


_SECONDS = {"h": 3600, "m": 60, "s": 1}


class Reference(Model):
    """Points to another object by its name."""

    name: ObjectName
    """Name of the object."""


class Quota(Model):
    """Amounts of compute and of objects."""

    hard: Annotated[dict[str, Quantity], Field(max_length=64)] | None = None
    """Resource name to amount, as in a Kubernetes ResourceQuota: `requests.cpu: "8"`, `pods: "100"`."""


class Limits(Model):
    """What a container gets when it does not say, as in a Kubernetes LimitRange."""

    default: Annotated[dict[str, Quantity], Field(max_length=16)] | None = None
    """Limit of a container that sets none, by resource name."""
    default_request: Annotated[dict[str, Quantity], Field(max_length=16)] | None = None
    """Request of a container that sets none, by resource name."""


class Condition(Model):
    """One aspect of an object's state, as Kubernetes API conventions define it."""

    type: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,62}$")]
    """Aspect, in CamelCase: `Ready`, `NamespacesReady`."""
    status: Literal["True", "False", "Unknown"]
    """Whether the aspect holds."""
    reason: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,62}$")]
    """Why, as one CamelCase word that programs may compare."""
    message: Annotated[str, Field(max_length=1024)]
    """Why, for people; may be empty."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """`metadata.generation` that this was computed from."""
    last_transition_time: DateTime
    """When `status` last changed."""


Conditions = Annotated[list[Condition], Field(max_length=16), ListMap("type")]

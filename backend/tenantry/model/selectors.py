"""Label and field selectors, parsed exactly as Kubernetes parses them.

The sources are apimachinery's ``labels.Parse`` and ``fields.ParseSelector`` (1.36) with their messages, and
kube-apiserver's rule that a custom resource without ``selectableFields`` is selectable by name and namespace only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tenantry.model.errors import Code, TenantryError
from tenantry.model.labels import check_key, check_value
from tenantry.model.quoting import quote


class Operator(StrEnum):
    """How a requirement relates a key to its values; the values are apimachinery's ``selection`` constants."""

    IN = "in"
    NOT_IN = "notin"
    EQUALS = "="
    DOUBLE_EQUALS = "=="
    NOT_EQUALS = "!="
    GREATER_THAN = "gt"
    LESS_THAN = "lt"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"


_BINARY = tuple(Operator)[:7]
_SYMBOLS = {
    "=": Operator.EQUALS,
    "==": Operator.DOUBLE_EQUALS,
    "!=": Operator.NOT_EQUALS,
    ">": Operator.GREATER_THAN,
    "<": Operator.LESS_THAN,
    "in": Operator.IN,
    "notin": Operator.NOT_IN,
}
_ONE_OF = frozenset({Operator.IN, Operator.EQUALS, Operator.DOUBLE_EQUALS})
_NONE_OF = frozenset({Operator.NOT_IN, Operator.NOT_EQUALS})


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one key; ``values`` are sorted and empty for the two operators that look at the key alone."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` fulfil it; a missing key fulfils ``!=``, ``notin`` and ``!``."""
        value = labels.get(self.key)
        if self.operator in _ONE_OF:
            return value in self.values
        if self.operator in _NONE_OF:
            return value not in self.values
        if self.operator is Operator.EXISTS:
            return value is not None
        if self.operator is Operator.DOES_NOT_EXIST:
            return value is None
        number = None if value is None else _int64(value)
        if number is None:
            return False
        bound = int(self.values[0])
        return number > bound if self.operator is Operator.GREATER_THAN else number < bound


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all hold, sorted by key; none selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` (or, for a field selector, fields by name) fulfil every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)


#: selects everything
EVERYTHING = Selector()
#: values of one selector, a lonely key counted as one; kube-apiserver has no bound but the length of a URL
MOST_VALUES = 1000


def parse_labels(text: str) -> Selector:
    """The label selector ``text`` (``a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1``).

    Raises:
        TenantryError: ``BAD_REQUEST`` with the message of apimachinery, or because it has too many values.
    """
    try:
        requirements = _Parser(text).parse()
    except ValueError as error:
        raise TenantryError(Code.BAD_REQUEST, str(error)) from None
    return _bounded("label", requirements)


def parse_fields(text: str, *, namespaced: bool) -> Selector:
    """The field selector ``text`` over ``metadata.name`` and, for a namespaced kind, ``metadata.namespace``.

    Raises:
        TenantryError: ``BAD_REQUEST`` with the message of apimachinery, or because it has too many values.
    """
    supported = ("metadata.name", "metadata.namespace") if namespaced else ("metadata.name",)
    try:
        found = [_field_term(text, term) for term in sorted(_split_terms(text)) if term]
    except ValueError as error:
        raise TenantryError(Code.BAD_REQUEST, str(error)) from None
    # Kubernetes passes over a lonely operator
    requirements = tuple(requirement for requirement in found if requirement.key or requirement.values != ("",))
    for requirement in requirements:
        if requirement.key not in supported:
            raise TenantryError(Code.BAD_REQUEST, f"field label not supported: {requirement.key}")
    return _bounded("field", requirements)


def _bounded(what: str, requirements: tuple[Requirement, ...]) -> Selector:
    count = sum(max(len(requirement.values), 1) for requirement in requirements)
    if count > MOST_VALUES:
        message = f"the {what} selector has {count} values, and at most {MOST_VALUES} are taken: ask in parts"
        raise TenantryError(Code.BAD_REQUEST, message)
    return Selector(requirements)


# -- the label selector's grammar ------------------------------------------------------------------------------------

_WORD = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^=!(),<> \t\r\n]+|$)")
_NOT_IDENTIFIERS = frozenset({"", ")", ",", "!", "==", "=", ">", "<", "!=", "("})
_END = ("", ",")


class _Parser:
    """apimachinery's recursive descent over words; ``in`` and ``notin`` are keywords only after a key."""

    def __init__(self, text: str) -> None:
        self._words: list[str] = _WORD.findall(text)  # the end of the text is the word ""
        self._position = 0

    def parse(self) -> tuple[Requirement, ...]:
        found: list[Requirement] = []
        while word := self._peek():
            if word != "!" and word in _NOT_IDENTIFIERS:
                raise ValueError(f"found '{word}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            separator = self._take()
            if separator not in _END:
                raise ValueError(f"found '{separator}', expected: ',' or 'end of string'")
            following = self._peek() if separator else "!"
            if following != "!" and following in _NOT_IDENTIFIERS:
                raise ValueError(f"found '{following}', expected: identifier after ','")
            if not separator:
                break
        return tuple(sorted(found, key=lambda requirement: requirement.key))

    def _peek(self) -> str:
        return self._words[min(self._position, len(self._words) - 1)]

    def _take(self) -> str:
        word = self._peek()
        self._position += 1
        return word

    def _requirement(self) -> Requirement:
        word = self._take()
        absent = word == "!"
        key = self._take() if absent else word
        if key in _NOT_IDENTIFIERS:
            raise ValueError(f"found '{key}', expected: identifier")
        if problems := check_key(key):
            raise ValueError(_invalid("<nil>", key, problems))
        if absent:
            return Requirement(key, Operator.DOES_NOT_EXIST)
        if self._peek() in _END:
            return Requirement(key, Operator.EXISTS)
        symbol = self._take()
        operator = _SYMBOLS.get(symbol)
        if operator is None:
            raise ValueError(f"found '{symbol}', expected: {', '.join(_BINARY)}")
        values = self._values() if operator in (Operator.IN, Operator.NOT_IN) else [self._exact_value()]
        return Requirement(key, operator, _checked(key, operator, sorted(set(values))))

    def _values(self) -> list[str]:
        if (word := self._take()) != "(":
            raise ValueError(f"found '{word}' expected: '('")
        word = self._peek()
        if word == ")":
            self._take()
            return [""]
        if word != "," and word in _NOT_IDENTIFIERS:
            raise ValueError(f"found '{word}', expected: ',', ')' or identifier")
        values: list[str] = []
        while True:
            word = self._take()
            following = self._peek()
            if word == ",":
                # an empty place between commas or parentheses is the empty value
                if not values or following in (",", ")"):
                    values.append("")
            elif word in _NOT_IDENTIFIERS:
                raise ValueError(f"found '{word}', expected: ',', or identifier")
            else:
                values.append(word)
                if following not in (",", ")"):
                    raise ValueError(f"found '{following}', expected: ',' or ')'")
            if following == ")":
                self._take()
                return values

    def _exact_value(self) -> str:
        if self._peek() in _END:
            return ""
        word = self._take()
        if word in _NOT_IDENTIFIERS:
            raise ValueError(f"found '{word}', expected: identifier")
        return word


def _checked(key: str, operator: Operator, values: Sequence[str]) -> tuple[str, ...]:
    problems = []
    if operator in (Operator.GREATER_THAN, Operator.LESS_THAN) and _int64(values[0]) is None:
        problems.append(_invalid("values[0]", values[0], ["for 'Gt', 'Lt' operators, the value must be an integer"]))
    for index, value in enumerate(values):
        if found := check_value(value):
            problems.append(_invalid(f"values[{index}][{key}]", value, found))
    if problems:
        raise ValueError(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
    return tuple(values)


def _invalid(path: str, value: str, problems: list[str]) -> str:
    return f"{path}: Invalid value: {quote(value)}: {'; '.join(problems)}"


def _int64(text: str) -> int | None:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


# -- the field selector's grammar ------------------------------------------------------------------------------------


def _split_terms(text: str) -> list[str]:
    return re.findall(r"(?:^|,)((?:\\.|\\$|[^,\\])*)", text, re.DOTALL)


def _field_term(text: str, term: str) -> Requirement:
    found = re.search(r"!=|==|=", term)
    if found is None:
        raise ValueError(f"invalid selector: '{text}'; can't understand '{term}'")
    operator = Operator.NOT_EQUALS if found.group() == "!=" else Operator.EQUALS
    return Requirement(term[: found.start()], operator, (_unescape(term[found.end() :]),))


def _unescape(value: str) -> str:
    def replace(found: re.Match[str]) -> str:
        sequence = found.group()
        if sequence in (",", "="):
            raise ValueError(f"invalid field selector: unescaped character in value: {ord(sequence)}")
        if sequence[1:] not in ("\\", ",", "="):
            raise ValueError(f"invalid field selector: invalid escape sequence: {sequence}")
        return sequence[1:]

    return re.sub(r"\\.|[\\,=]", replace, value, flags=re.DOTALL)

"""Selectors against a table of what apimachinery 1.36 says about the same text."""

from __future__ import annotations

import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.model.selectors import Operator, Requirement, Selector, parse_fields, parse_labels

LABELS = {"ring": "internal", "tier": "gold", "size": "12", "tenantry.dev/tenant": "acme"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("ring=internal", True),
        ("ring==internal,tier=gold", True),
        ("ring = internal , tier != silver", True),
        ("ring!=internal", False),
        ("absent!=x", True),
        ("absent=", False),
        ("ring in (internal,beta)", True),
        ("ring in (beta)", False),
        ("ring notin (beta)", True),
        ("absent notin (beta)", True),
        ("ring", True),
        ("!ring", False),
        ("! absent", True),
        ("size>2", True),
        ("size>12", False),
        ("size<100", True),
        ("ring>1", False),
        ("absent<1", False),
        ("tenantry.dev/tenant in (acme)", True),
    ],
)
def test_a_label_selector_matches(text: str, matches: bool) -> None:  # noqa: FBT001 - a table's column
    assert parse_labels(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("b,a", [Requirement("a", Operator.EXISTS), Requirement("b", Operator.EXISTS)]),
        ("a in (y,x,y)", [Requirement("a", Operator.IN, ("x", "y"))]),
        ("a in ()", [Requirement("a", Operator.IN, ("",))]),
        ("a notin (,x)", [Requirement("a", Operator.NOT_IN, ("", "x"))]),
        ("a in (x,,y)", [Requirement("a", Operator.IN, ("", "x", "y"))]),
        ("a in(in,notin)", [Requirement("a", Operator.IN, ("in", "notin"))]),
        ("in=notin", [Requirement("in", Operator.EQUALS, ("notin",))]),
        ("a=,b==", [Requirement("a", Operator.EQUALS, ("",)), Requirement("b", Operator.DOUBLE_EQUALS, ("",))]),
        ("!x.io/y", [Requirement("x.io/y", Operator.DOES_NOT_EXIST)]),
    ],
)
def test_a_label_selector_is_parsed_into_sorted_requirements(text: str, requirements: list[Requirement]) -> None:
    assert parse_labels(text) == Selector(tuple(requirements))


NAME = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
PREFIX = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
REQUIREMENT = "unable to parse requirement: "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a b", REQUIREMENT + "found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("!", REQUIREMENT + "found '', expected: identifier"),
        ("a=!", REQUIREMENT + "found '!', expected: identifier"),
        ("a in b", REQUIREMENT + "found 'b' expected: '('"),
        ("a in (", REQUIREMENT + "found '', expected: ',', ')' or identifier"),
        ("a in (b", REQUIREMENT + "found '', expected: ',' or ')'"),
        ("a in (b,", REQUIREMENT + "found '', expected: ',', or identifier"),
        ("a in (b c)", REQUIREMENT + "found 'c', expected: ',' or ')'"),
        ("-a", f'{REQUIREMENT}<nil>: Invalid value: "-a": name part {NAME}'),
        ("a/", f'{REQUIREMENT}<nil>: Invalid value: "a/": name part must be non-empty; name part {NAME}'),
        ("/a", f'{REQUIREMENT}<nil>: Invalid value: "/a": prefix part must be non-empty'),
        ("A.x/a", f'{REQUIREMENT}<nil>: Invalid value: "A.x/a": prefix part {SUBDOMAIN}'),
        (
            "a/b/c",
            f'{REQUIREMENT}<nil>: Invalid value: "a/b/c": a valid label key {NAME}{PREFIX}',
        ),
        ("a" * 64, f'{REQUIREMENT}<nil>: Invalid value: "{"a" * 64}": name part must be no more than 63 bytes'),
        ("a=-", f'{REQUIREMENT}values[0][a]: Invalid value: "-": {VALUE}'),
        ("a=" + "b" * 64, f'{REQUIREMENT}values[0][a]: Invalid value: "{"b" * 64}": must be no more than 63 bytes'),
        (
            "a in (-,.)",
            f'{REQUIREMENT}[values[0][a]: Invalid value: "-": {VALUE}, values[1][a]: Invalid value: ".": {VALUE}]',
        ),
        (
            "a>b",
            f"{REQUIREMENT}values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ],
)
def test_a_wrong_label_selector_is_refused_in_the_words_of_kubernetes(text: str, message: str) -> None:
    with pytest.raises(TenantryError) as refused:
        parse_labels(text)
    assert (refused.value.code, refused.value.message) == (Code.BAD_REQUEST, message)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("metadata.name=acme", True),
        ("metadata.name==acme,metadata.namespace=prod", True),
        ("metadata.name!=acme", False),
        ("metadata.namespace!=test,", True),
        ("metadata.name=a\\,b", False),
        ("=", True),
    ],
)
def test_a_field_selector_matches(text: str, matches: bool) -> None:  # noqa: FBT001 - a table's column
    fields = {"metadata.name": "acme", "metadata.namespace": "prod"}
    assert parse_fields(text, namespaced=True).matches(fields) is matches


def test_an_escaped_value_is_unescaped() -> None:
    assert parse_fields(r"metadata.name=a\,b\=\\", namespaced=False).requirements == (
        Requirement("metadata.name", Operator.EQUALS, (r"a,b=\ ".rstrip(),)),
    )


@pytest.mark.parametrize(
    ("text", "namespaced", "message"),
    [
        ("spec.state=Active", True, "field label not supported: spec.state"),
        ("metadata.namespace=x", False, "field label not supported: metadata.namespace"),
        ("metadata.name", True, "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        ("metadata.name=a=b", True, "invalid field selector: unescaped character in value: 61"),
        (r"metadata.name=a\b", True, r"invalid field selector: invalid escape sequence: \b"),
        ("metadata.name=a\\", True, "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_a_wrong_field_selector_is_refused_in_the_words_of_kubernetes(
    text: str,
    namespaced: bool,  # noqa: FBT001 - a table's column
    message: str,
) -> None:
    with pytest.raises(TenantryError) as refused:
        parse_fields(text, namespaced=namespaced)
    assert (refused.value.code, refused.value.message) == (Code.BAD_REQUEST, message)


def test_a_selector_has_a_thousand_values_at_most() -> None:
    values = ",".join(str(number) for number in range(999))
    assert len(parse_labels(f"a in ({values}),b").requirements) == 2
    with pytest.raises(TenantryError, match="the label selector has 1001 values, and at most 1000") as refused:
        parse_labels(f"a in ({values}),b,!c")
    assert refused.value.code is Code.BAD_REQUEST
    with pytest.raises(TenantryError, match="the field selector has 1001 values"):
        parse_fields(",".join(["metadata.name!=a"] * 1001), namespaced=False)

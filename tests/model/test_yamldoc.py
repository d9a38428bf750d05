"""YAML documents: what is read, and what is refused with the line and what to do."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tenantry.model import yamldoc
from tenantry.model.jsontree import values_of
from tenantry.model.limits import MAX_BYTES, MAX_VALUES
from tenantry.model.yamldoc import YamlError

AGREED: list[tuple[str, Any]] = [
    ("0", 0),
    ("-12", -12),
    ("+12", 12),
    ("0x1F", 31),
    ("1.5", 1.5),
    (".5", 0.5),
    ("-.5", -0.5),
    ("1.", 1.0),
    ("1.5e+3", 1500.0),
    ("true", True),
    ("FALSE", False),
    ("~", None),
    ("null", None),
    ("", None),
    ("acme", "acme"),
    ("1.2.3", "1.2.3"),
    ("v1", "v1"),
    ("8080:80", "8080:80"),
    ("500m", "500m"),
    ("16Gi", "16Gi"),
    ("'on'", "on"),
    ('"0777"', "0777"),
    ("9223372036854775807", 2**63 - 1),
    ("9223372036854775808", float(2**63)),  # as apimachinery: beyond 64 bits a number is a float
]


@pytest.mark.parametrize(("text", "value"), AGREED)
def test_a_scalar_that_all_readers_agree_on(text: str, value: Any) -> None:
    [document] = yamldoc.load(f"a: {text}\n")
    assert document.tree == {"a": value}
    assert type(document.tree["a"]) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("y", "Y", "n", "N", "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"),
        *("0777", "08", "00", "-0777", "0o777", "0b101", "-0x1F", "0x_1", "1_000", "1_000.5"),
        *("12:30", "190:20:30", "20:30.15", "1e3", "1.5e3", "1E3", "1e+3"),
        *("2026-12-01", "2026-12-01T06:00:00Z", "2026-12-01 06:00:00", "="),
    ],
)
def test_a_scalar_that_readers_disagree_on_is_refused(text: str) -> None:
    with pytest.raises(YamlError) as caught:
        yamldoc.load(f"# a comment\na:\n  - {text}\n")
    [problem] = caught.value.problems
    assert problem.line == 3
    assert f'"{text}"' in problem.message
    # the advice is good
    assert yamldoc.load(f'a: "{text}"')[0].tree == {"a": text}


def test_keys_are_subject_to_the_same_rule() -> None:
    with pytest.raises(YamlError, match="line 2: on is a boolean to some readers"):
        yamldoc.load('variants:\n  on: v2\n  "off": v1\n')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 'line 4: the key "c" stands there twice: remove one'),
        ("1: a\n", 'line 1: a key must be text: write "1"'),
        ("true: a\n", 'line 1: a key must be text: write "true"'),
        ("? [a]\n: b\n", "line 1: a key must be text"),
        (
            "a: !!python/object/apply:os.system [id]\n",
            "line 1: the tag tag:yaml.org,2002:python/object/apply:os.system",
        ),
        ("a: !secret b\n", "line 1: the tag !secret is not allowed"),
        ("a: !!str on\n", "line 1: the tag tag:yaml.org,2002:str is not allowed"),
        ("a: {<<: {b: 1}}\n", "line 1: << is a merge key"),
        ("a: *b\n", "line 1: the alias *b stands for nothing"),
        ("a: &a [*a]\n", "line 1: the alias *a stands for nothing"),
        ("a: .inf\n", "line 1: .inf has no form in JSON"),
        ("a: 1" + "0" * 400 + "\n", "line 1: the number is too large"),
        ("a:\n  - [\n", "is not valid YAML"),
        ("a: b: c\n", "line 1: it is not valid YAML: mapping values are not allowed"),
        ("a: 1\nb: \x07\n", "line 2: it has a control character"),
        ("[" * 65 + "]" * 65, "nested more than 64 deep"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        yamldoc.load(text)
    assert message in str(caught.value)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(YamlError) as caught:
        yamldoc.load("a: on\nb: 0777\na: 1\n")
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: on\n---\nb: 1\n", ["line 1", {"b": 1}]),
        ("a: *x\n---\nb: 1\n", ["line 1", {"b": 1}]),
        ("[" * 65 + "]" * 65 + "\n---\nb: 1\n", ["line 1", {"b": 1}]),
        ("a: 1\n---\nb: [\n---\nc: 1\n---\n# nothing\n--- # d\n%YAML 1.1\n---\nd: 1\n", [{"a": 1}, "line 4", 5, 11]),
        ("a: 1\n---\nb: \x07\n--- {c: 1}\n...\nd: 1\n", [{"a": 1}, "line 3", 4, 6]),
        ("a: b: c\n", ["line 1"]),
        ("a: 1\n]\n---\nb: 1\n", ["line 2", 4]),
        ("# \x07\na: 1\n", ["line 1", 2]),
        ("[" * 10 + "\n---\nb: 1\n", ["line 2", 3]),
    ],
)
def test_a_wrong_document_stands_alone_and_one_that_is_no_yaml_ends_them(text: str, told: list[Any]) -> None:
    found: list[Any] = []
    for each in yamldoc.read(text):
        if isinstance(each, YamlError):
            found += [str(each).partition(":")[0], *each.unread]
        else:
            found.append(each.tree)
    assert found == told


def test_of_a_text_that_grows_too_large_nothing_more_is_read() -> None:
    small, large = "a: 1\n---\n", f"b: [{', '.join('x' * 50)}]\n---\nc: 1\n"
    document, error = yamldoc.read(small + large, max_values=20)
    assert isinstance(document, yamldoc.Document)
    assert isinstance(error, YamlError)
    assert error.unread == (5,)


def test_bytes_must_be_utf_8() -> None:
    assert yamldoc.load("\ufeffa: ü".encode())[0].tree == {"a": "ü"}
    with pytest.raises(YamlError, match="line 2: it is not UTF-8"):
        yamldoc.load(b"a: 1\nb: \xfc")


def test_documents_know_the_lines_of_what_is_in_them() -> None:
    first, second = yamldoc.load(
        "kind: Plan\n---\n# nothing\n---\n\nkind: Tenant\nspec:\n  namespaces:\n  - name: prod\n"
    )
    assert (first.line, second.line) == (1, 6)
    assert second.line_of("spec.namespaces[0].name") == 9
    assert second.line_of("spec.namespaces[0].share") == 9  # not there: the nearest thing that is
    assert second.line_of("spec.planRef.name") == 7
    assert second.line_of("metadata.name") == 6


def test_aliases_stand_for_what_they_name_within_limits() -> None:
    assert yamldoc.load("a: &x {b: [1, 2]}\nc: *x\n")[0].tree == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}
    bomb = "a0: &a0 [" + ", ".join("x" * 9) + "]\n"
    bomb += "".join(f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]\n" for n in range(1, 9))
    with pytest.raises(YamlError, match="more than 65536 values"):
        yamldoc.load(bomb)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["[{}]", "a: [{}]", "? a\n: [{}]", "a: &k b\n*k : [{}]"])
def test_as_many_values_as_may_be_are_read(text: str) -> None:
    empty = yamldoc.load(text.format(""))[0].tree
    room = MAX_VALUES - values_of(empty)
    assert values_of(yamldoc.load(text.format(",".join("1" * room)))[0].tree) == MAX_VALUES
    with pytest.raises(YamlError, match="more than 65536 values") as caught:
        yamldoc.load(text.format(",".join("1" * (room + 1))))
    assert caught.value.too_large


def test_aliases_do_not_multiply_text_without_end() -> None:
    once = f"a: &x {'x' * (MAX_BYTES // 4)}\n"
    assert yamldoc.load(f"{once}b: [*x, *x]\n")
    with pytest.raises(YamlError, match="more than 1572864 characters, counting what its aliases stand for") as caught:
        yamldoc.load(f"{once}b: [*x, *x, *x, *x]\n")
    assert caught.value.too_large


def test_aliases_cannot_be_nested_past_the_limit() -> None:
    assert yamldoc.load("[" * 64 + "]" * 64)
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 64))
    with pytest.raises(YamlError, match="nested more than 64 deep"):
        yamldoc.load(chain)


TEXTS = st.recursive(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(TEXTS)
def test_text_that_a_writer_quotes_is_read_back(tree: Any) -> None:
    [document] = yamldoc.load(yaml.safe_dump({"a": tree}, default_style='"'))
    assert document.tree == {"a": tree}


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        documents = yamldoc.load(text)
    except YamlError:
        pass
    else:
        assert all(document.line >= 1 for document in documents)


def test_numbers_are_finite() -> None:
    assert math.isfinite(yamldoc.load("a: 1.0e+308")[0].tree["a"])


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # what a reader may take for something else, among whatever text there is
    | st.text()
    | st.text(alphabet="0123456789abxoe_.:-+=<~yn \t\n#'\"|>&*", max_size=12),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@pytest.mark.slow
@given(TREES)
def test_what_is_dumped_is_loaded_as_the_same(tree: Any) -> None:
    text = yamldoc.dump({"tree": tree})
    (document,) = yamldoc.load(text)
    assert document.tree == {"tree": tree}
    assert yaml.safe_load(text) == {"tree": tree}


@pytest.mark.parametrize("text", ["on", "y", "0777", "0o17", "1e3", "12:30", "2026-01-01", "<<", "=", "1_000", "null"])
def test_text_that_readers_disagree_on_is_quoted(text: str) -> None:
    assert yamldoc.dump({text: text}) == f'"{text}": "{text}"\n'


def test_a_text_of_lines_is_dumped_as_lines_and_a_shared_tree_twice() -> None:
    shared = {"text": "one\ntwo\n"}
    lines = "  text: |\n    one\n    two\n"
    assert yamldoc.dump({"a": shared, "b": shared}) == f"a:\n{lines}b:\n{lines}"

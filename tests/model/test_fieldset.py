"""Path elements and sets of paths: the algebra is that of sets of tuples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.model.managedfields.fieldset import FieldSet, parse
from tenantry.model.managedfields.paths import canonical, display, keyed, order, valued

Path = tuple[str, ...]
ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"x"', "v:1", "i:0"])
PATHS = st.lists(ELEMENTS, min_size=1, max_size=3).map(tuple)
SETS = st.sets(PATHS, max_size=8)


def tree(paths: set[Path]) -> FieldSet:
    root = FieldSet()
    for path in paths:
        node = root
        for element in path[:-1]:
            node = node.children.setdefault(element, FieldSet())
        node.members.add(path[-1])
    return root


def paths_of(fields: FieldSet) -> set[Path]:
    return set(fields.paths())


@given(left=SETS, right=SETS)
def test_operations_are_those_of_sets(left: set[Path], right: set[Path]) -> None:
    first, second = tree(left), tree(right)
    assert paths_of(first | second) == left | right
    assert paths_of(first & second) == left & right
    assert paths_of(first - second) == left - right
    assert (first <= second) is (left <= right)
    assert (first == second) is (left == right)
    assert bool(first & second) is bool(left & right)
    assert (paths_of(first), paths_of(second)) == (left, right)
    assert all(first.has(path) is (path in left) for path in left | right)


@given(left=SETS)
def test_an_operation_that_changes_nothing_returns_its_operand(left: set[Path]) -> None:
    fields, other = tree(left), tree({("f:other", "f:x")})
    assert fields - other is fields
    assert fields | tree(left) is fields
    assert fields.without(frozenset({"f:other"})) is fields


@given(left=SETS)
def test_a_set_survives_fields_v1(left: set[Path]) -> None:
    assert paths_of(parse(tree(left).to_json())) == left


@given(left=SETS)
def test_without_takes_whole_branches(left: set[Path]) -> None:
    assert paths_of(tree(left).without(frozenset({"f:a"}))) == {path for path in left if path[0] != "f:a"}


def test_paths_come_in_the_order_of_kubernetes() -> None:
    elements = ["i:2", "i:10", "v:1", "v:2", 'v:"1"', "v:true", 'k:{"a":1}', 'k:{"a":"1"}', 'k:{"b":1}', "f:B", "f:a"]
    expected = ["f:B", "f:a", 'k:{"a":1}', 'k:{"a":"1"}', 'k:{"b":1}', "v:1", "v:2", 'v:"1"', "v:true", "i:2", "i:10"]
    assert sorted(elements, key=order) == expected


@pytest.mark.parametrize(
    ("text", "element"),
    [
        ("f:a.b/c", "f:a.b/c"),
        ('k:{"b": 1.0, "a": "<"}', 'k:{"a":"\\u003c","b":1}'),
        ('v: "x"', 'v:"x"'),
        ("v:1.0", "v:1"),
        ("v:true", "v:true"),
        ("i:07", "i:7"),
        ("x:anything", None),
    ],
)
def test_an_element_has_one_spelling(text: str, element: str | None) -> None:
    assert canonical(text) == element


@pytest.mark.parametrize("text", ["", "f", "spec", "k:", "k:[]", "v:", "v:{", "i:x"])
def test_what_is_no_element_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - nobody reads the message
        canonical(text)


@pytest.mark.parametrize("fields", [None, [], {"f:a": None}, {"f:a": {"f:b": "x"}}, {"spec": {}}])
def test_what_is_no_fields_v1_is_refused(fields: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - nobody reads the message
        parse(fields)


def test_unknown_elements_are_passed_over() -> None:
    assert paths_of(parse({"f:a": {"x:later": {}}, "x:later": {}, ".": {}})) == {("f:a",)}


@pytest.mark.parametrize(
    ("element", "shown"),
    [
        ("f:a", ".a"),
        (keyed([("port", 80), ("name", 'a"<')]), '[name="a\\"<",port=80]'),
        (valued("x"), '[="x"]'),
        (valued(1.0), "[=1]"),
        ("i:3", "[3]"),
    ],
)
def test_an_element_is_shown_as_in_messages(element: str, shown: str) -> None:
    assert display(element) == shown

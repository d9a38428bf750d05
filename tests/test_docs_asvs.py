"""The page about the ASVS: it leaves no requirement out, and every test that it names exists."""

import ast
import re
from collections import Counter
from pathlib import Path

from tests.worktree import ROOT

PAGE = (ROOT / "docs" / "explanation" / "asvs.md").read_text()
CHAPTERS, _, NOT_APPLICABLE = PAGE.partition("## What does not apply")
#: id, requirement, how, test
ROWS = re.findall(r"^\| ([\d.]+) \| (.+?) \| (.+?) \| (.+?) \|$", CHAPTERS, re.MULTILINE)
#: of each chapter of ASVS 5.0.0, V1 to V17: requirements of the levels 1 and 2
COUNTS = dict(enumerate((27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7), start=1))


def names_in(path: Path) -> set[str]:
    """The functions of a module."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {each.name for each in ast.parse(path.read_text()).body if isinstance(each, functions)}


def number(identifier: str) -> list[int]:
    return [int(part) for part in identifier.split(".")]


def test_no_requirement_is_missing_or_there_twice() -> None:
    listed = [row[0] for row in ROWS] + re.findall(r"\b\d+\.\d+\.\d+\b", NOT_APPLICABLE)
    assert [each for each, times in Counter(listed).items() if times > 1] == []
    assert Counter(number(each)[0] for each in listed) == COUNTS


def test_rows_stand_in_their_chapter_and_order() -> None:
    assert len(ROWS) == CHAPTERS.count("\n| ") - CHAPTERS.count("\n| Id |"), "a row is not as the others"
    for chapter in CHAPTERS.split("\n## V")[1:]:
        numbers = [number(each) for each in re.findall(r"^\| ([\d.]+) \|", chapter, re.MULTILINE)]
        assert numbers == sorted(numbers)
        assert {first for first, *_ in numbers} == {int(chapter.split()[0])}


def test_every_test_that_is_named_exists() -> None:
    named = [row[3] for row in ROWS if row[3] != "-"]
    wrong = [each for each in named if not re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`", each)]
    assert wrong == []
    known: dict[str, set[str]] = {}
    for each in named:
        path, _, name = each.strip("`").partition("::")
        if path not in known:
            known[path] = names_in(ROOT / path) if (ROOT / path).is_file() else set()
        if name not in known[path]:
            wrong.append(each)
    assert wrong == []

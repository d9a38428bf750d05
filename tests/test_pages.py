"""What the pages say is there: make targets, files, links, decisions."""

import re
from pathlib import Path

import pytest

from tests.worktree import ROOT, named, tracked

PAGES = tracked("*.md")
TEMPLATE = ROOT / "docs" / "decisions" / "0000-template.md"
DECISIONS = [path for path in tracked("docs/decisions/[0-9]*.md") if path != TEMPLATE]
#: a page may leave these out of a module's path
BASES = [ROOT, ROOT / "backend/tenantry", ROOT / "operator/tenantry_operator", ROOT / "backend/tenantry/model"]
FOLDERS = "backend|operator|charts|tests|k8s|docs|requirements|changelog.d|.ci"


def make_targets() -> dict[str, str]:
    """Every target of the Makefile that somebody may call, with its help text."""
    rules = re.findall(r"^([a-z%-]+):(?!=)(?:.*## (.*))?", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {name.replace("%", "NAME"): text for name, text in rules}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_make_target_has_a_help_text() -> None:
    assert [name for name, text in make_targets().items() if not text] == []


def test_every_make_target_is_phony() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", "")  # lines that go on
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    assert sorted(phony) == sorted(make_targets().keys() - {"bench-NAME"})


def test_ci_runs_what_anybody_can_run() -> None:
    script = ROOT / ".ci" / "run"
    used = re.findall(r"^(?:lane .*)?\bmake ([a-z-]+)", script.read_text(), re.MULTILINE)
    assert used[-1] == "test"
    assert set(used) <= make_targets().keys()
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_names_targets_that_exist(page: Path) -> None:
    used = re.findall(r"(?:^ {4}|^|`)make ([a-z][a-zA-Z-]*)(?=[`\s])", page.read_text(), re.MULTILINE)
    assert set(used) - make_targets().keys() == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_links_of_a_page_resolve(page: Path) -> None:
    dead = []
    prose = re.sub(r"`[^`\n]*`", "", page.read_text())  # a pattern may look like a link
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        target, _, anchor = link.partition("#")
        found = (page.parent / target).resolve() if target else page
        if "://" not in link and (not found.exists() or (anchor and anchor not in anchors(found))):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_paths_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    folders = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", text)
    modules = re.findall(r"`([\w./-]*\.py)`", text)
    assert [path for path in folders if not (ROOT / path).exists()] == []
    assert [path for path in modules if not any((base / path).is_file() for base in BASES)] == []


def test_decisions_are_numbered_in_a_row_and_listed() -> None:
    numbers = [int(path.name.partition("-")[0]) for path in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    listed = re.findall(r"^- \[(.*)\]\((.*)\)$", (TEMPLATE.parent / "README.md").read_text(), re.MULTILINE)
    titles = [path.read_text().partition("\n")[0].removeprefix("# ") for path in DECISIONS]
    assert listed == [
        (f"{number}. {title}", path.name) for number, title, path in zip(numbers, titles, DECISIONS, strict=True)
    ]


@pytest.mark.parametrize("path", DECISIONS, ids=named)
def test_a_decision_has_the_parts_of_the_template(path: Path) -> None:
    parts = re.compile(r"^## .*$", re.MULTILINE)
    assert parts.findall(path.read_text()) == parts.findall(TEMPLATE.read_text())

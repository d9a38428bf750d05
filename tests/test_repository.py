"""What must hold of the repository itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(path for pattern in ("*.md", "docs/**/*.md", "k8s/**/*.md") for path in ROOT.glob(pattern))
PACKAGES = sorted([*ROOT.glob("backend/**/__init__.py"), *ROOT.glob("operator/**/__init__.py")])
#: what only an address of a registry, a path of one machine, or a credential looks like
FORBIDDEN = {
    "registry": re.compile(r"https?://[^\s\"')]*(pypi|pythonhosted|npmjs|crates|proxy\.golang|debian|maven)\S*"),
    "machine path": re.compile(r"(?<![\w.~/])/(root|home|work)/\w"),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "API key": re.compile(r"\btnk_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}\b"),
}
#: files that speak about such things
SPEAKS_OF = {"tests/test_repository.py"}


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("name", ["operator/__init__.py", "operator.py", "tests/operator", "backend/__init__.py"])
def test_nothing_shadows_the_standard_library(name: str) -> None:
    # operator/ is a container: a module of that name would replace the standard library's and kill the interpreter
    assert not (ROOT / name).exists()


def test_the_interpreter_starts_in_the_repository() -> None:
    done = subprocess.run([sys.executable, "-c", "import operator; operator.add"], cwd=ROOT, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_says_what_it_is_and_re_exports_nothing(path: Path) -> None:
    source = path.read_text()
    lines = source.strip().splitlines()
    docstring = source.split('"""')[1].strip().splitlines() if source.startswith('"""') else []
    assert 1 <= len(docstring) <= 10, "a docstring of a few lines: what lives here, what must not, who may import it"
    assert not [line for line in lines if line.startswith(("import ", "from "))]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds_a(what: str) -> None:
    found = [
        name
        for name in tracked()
        if name not in SPEAKS_OF and FORBIDDEN[what].search((ROOT / name).read_text(errors="replace"))
    ]
    assert found == []


def test_locks_have_hashes_and_no_addresses() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "--index-url" not in text
        assert "://" not in text
        pinned = re.findall(r"^[A-Za-z0-9._-]+==", text, re.MULTILINE)
        assert pinned
        assert text.count("--hash=sha256:") >= len(pinned)


def test_the_version_stands_in_one_place() -> None:
    version = re.search(r'__version__ = "(.+)"', (ROOT / "backend/tenantry/__init__.py").read_text())
    assert version
    assert (
        version[1] not in (ROOT / "pyproject.toml").read_text().partition("[project]")[2].partition("dependencies")[0]
    )


def make_targets() -> dict[str, str]:
    rules = re.findall(r"^([a-z][a-z-]*):.*?(?:## (.*))?$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return dict(rules)


def test_every_make_target_has_a_help_text() -> None:
    assert [name for name, text in make_targets().items() if not text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_names_targets_and_files_that_exist(page: Path) -> None:
    text = page.read_text()
    known = {*make_targets(), "bench-NAME"}
    used = re.findall(r"(?:^    |`)make ([a-z][a-zA-Z-]*)", text, re.MULTILINE)
    assert [target for target in used if target not in known] == []
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"])
def test_the_paths_that_the_tour_names_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:backend|operator|tests|k8s|docs|requirements)/[\w./-]+)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_ci_runs_what_anybody_can_run() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert "make test" in script
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

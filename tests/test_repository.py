"""What must hold of the repository itself: no module shadows another, nothing of one machine or registry is kept."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import tenantry
from tests.worktree import ROOT, named, tracked

#: folders that are on `sys.path` when tests or programs run
IMPORT_ROOTS = [ROOT, ROOT / "backend", ROOT / "operator"]
#: the empty tree of git, which every file differs from
NOTHING = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
#: what only an address of a registry, a path of one machine, or a credential looks like
FORBIDDEN = {
    "registry": r"https?://[^\s\"')]*(pypi|pythonhosted|npmjs|crates|golang|debian|maven|docker)",
    "machine path": r"(?<![\w.~/])/(root|home|work|Users)/\w",
    "private key": r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/]{16}",
    "API key": r"\btnk_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}\b",
    "signed token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}",
    "token of another service": r"\b(AKIA[0-9A-Z]{16}|gh[oprsu]_[0-9A-Za-z]{36})\b",
}


PACKAGES = tracked("*/__init__.py")
#: templates of Helm are none before it has rendered them
YAML = [path for path in tracked("*.yaml", "*.yml") if "templates" not in path.parts]
#: where `make generate` writes the version
VERSIONED = tracked("charts/tenantry/Chart.yaml", "k8s/base/*")


@pytest.mark.parametrize("name", ["operator/__init__.py", "operator.py", "tests/operator", "backend/__init__.py"])
def test_a_container_of_packages_is_none(name: str) -> None:
    assert not (ROOT / name).exists()


@pytest.mark.parametrize("folder", IMPORT_ROOTS, ids=named)
def test_nothing_shadows_the_standard_library(folder: Path) -> None:
    modules = {path.parent.name for path in folder.glob("*/__init__.py")} | {path.stem for path in folder.glob("*.py")}
    assert modules & sys.stdlib_module_names == set()


def test_the_interpreter_starts_in_the_repository() -> None:
    command = [sys.executable, "-c", "import operator; operator.itemgetter"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("path", PACKAGES, ids=named)
def test_a_package_says_what_it_is_and_re_exports_nothing(path: Path) -> None:
    module = ast.parse(path.read_text())
    docstring = ast.get_docstring(module) or ""
    assert 3 <= len(docstring.splitlines()) <= 8, "what lives here, what must never, who may import it: 3 to 8 lines"
    below = [ast.unparse(statement) for statement in module.body[1:]]
    assert [line for line in below if not line.startswith("__version__ = ")] == []


@pytest.mark.slow
@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds_a(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    assert [named(path) for path in tracked() if pattern.search(path.read_text(errors="replace"))] == []


@pytest.mark.parametrize("lock", tracked("requirements/*.txt"), ids=named)
def test_a_lock_has_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert re.findall(r"^-", text, re.MULTILINE) == [], "an option, such as an index"
    requirements = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert requirements
    assert [one.splitlines()[0] for one in requirements if "==" not in one or "--hash=sha256:" not in one] == []


def test_the_version_stands_in_one_place() -> None:
    version = re.compile(rf"(tenantry|version)[\W_]{{1,12}}{re.escape(tenantry.__version__)}\b", re.IGNORECASE)
    others = set(tracked()) - set(tracked("CHANGELOG.md", "requirements/*", "tests/*")) - set(VERSIONED)
    found = [named(path) for path in others if version.search(path.read_text(errors="replace"))]
    assert found == ["backend/tenantry/__init__.py"]
    assert importlib.metadata.version("tenantry") == tenantry.__version__, "`make setup` installs it again"


def test_text_ends_where_it_should() -> None:
    rules = "core.whitespace=blank-at-eol,blank-at-eof,space-before-tab"
    command = ["git", "-c", rules, "diff", "--check", NOTHING]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert found == ""
    assert [named(path) for path in tracked() if (text := path.read_bytes()) and not text.endswith(b"\n")] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", YAML, ids=named)
def test_yaml_can_be_read(path: Path) -> None:
    assert list(yaml.safe_load_all(path.read_text()))


def test_hooks_are_local_and_use_the_environment() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [each["repo"] for each in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    tools = [Path(hook["entry"].split()[0]) for hook in hooks]
    assert {str(tool.parent) for tool in tools} == {".venv/bin"}
    assert [tool.name for tool in tools if not Path(sys.executable).with_name(tool.name).exists()] == []


def test_fragments_of_the_changelog_have_a_known_type() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    types = "|".join(each["directory"] for each in settings["type"])
    fragments = [path for path in tracked(f"{settings['directory']}/*") if path.name != "README.md"]
    assert [path.name for path in fragments if not re.fullmatch(rf"\+[a-z0-9-]+\.({types})\.md", path.name)] == []
    assert [path.name for path in fragments if not path.read_text().strip()] == []


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

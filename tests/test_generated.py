"""What is generated is as the code would write it, and nothing else lies beside it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from tenantry import generate
from tenantry.cli.main import main
from tenantry.generated import settle
from tenantry.model.yamldoc import load
from tenantry_operator import reference
from tests.worktree import ROOT, named, tracked

FILES = generate.files(main) | reference.files()
SAMPLES = [document.tree for path in tracked("k8s/samples/*.yaml") for document in load(path.read_text())]
FOLDERS = ("k8s/crds", "charts/tenantry/files", "docs/reference")


@pytest.mark.parametrize("name", FILES)
def test_a_generated_file_is_fresh(name: str) -> None:
    assert (ROOT / name).read_text() == FILES[name], "`make generate` writes it again"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample['kind']}/{sample['metadata']['name']}")
def test_an_editor_takes_the_samples_and_shows_a_misspelt_field(sample: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(
        json.loads(FILES[f"docs/reference/schemas/{sample['kind'].lower()}.json"])
    )
    assert list(validator.iter_errors(sample)) == []
    wrong = sample | {"spec": sample["spec"] | {"dispalyName": "x"}}
    assert [list(error.absolute_path) for error in validator.iter_errors(wrong)] == [["spec"]]


def test_nothing_else_is_where_files_are_generated() -> None:
    assert {named(path) for folder in FOLDERS for path in tracked(f"{folder}/*")} - FILES.keys() == set()


def test_check_names_what_is_stale_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"a/one.md": "one\n", "two.md": "two\n"}
    assert settle(files, tmp_path, check=False) == 0
    assert capsys.readouterr().out == "a/one.md\ntwo.md\n"
    assert settle(files, tmp_path, check=True) == 0
    (tmp_path / "two.md").write_text("2\n")
    assert settle(files, tmp_path, check=True) == 1
    assert capsys.readouterr().err == "two.md: not as it is generated; `make generate` writes it\n"
    assert (tmp_path / "two.md").read_text() == "2\n"


def test_it_writes_into_the_repository_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["generate"]).exit_code == 2
    assert list(tmp_path.iterdir()) == []

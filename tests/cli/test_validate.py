"""`tenantry validate`: what is wrong with manifests, said offline."""

from pathlib import Path

import pytest

from tenantry.model.limits import MAX_VALUES
from tests.support.cli import run
from tests.worktree import ROOT

GOOD = "apiVersion: tenantry.dev/v1alpha1\nkind: Plan\nmetadata: {name: gold}\nspec: {displayName: Gold}\n"


def test_the_samples_are_valid() -> None:
    result = run("validate", "-f", str(ROOT / "k8s/samples"))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "8 valid, 0 wrong\n")


def test_every_mistake_has_its_file_path_and_line(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        f"{GOOD}---\n"
        "apiVersion: tenantry.dev/v1alpha1\n"
        "kind: Plan\n"
        "metadata:\n"
        "  name: Silver\n"
        "spec:\n"
        "  maxNamespaces: many\n"
        "  colour: grey\n"
    )
    result = run("validate", "-f", str(file))
    assert result.exit_code == 1
    assert result.stderr == "1 valid, 1 wrong\n"
    lines = result.stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        f"{file}:metadata.name",
        f"{file}:spec.displayName",
        f"{file}:spec.maxNamespaces",
        f"{file}:spec.colour",
    ]
    assert [line.rpartition(" (")[2] for line in lines] == ["line 9)", "line 10)", "line 11)", "line 12)"]
    assert lines[-1] == f"{file}:spec.colour: unknown field: remove it, or correct its name (line 12)"


def test_what_has_a_wrong_version_is_looked_at_all_the_same() -> None:
    text = GOOD.replace("/v1alpha1", "/v1").replace("displayName", "displayname")
    told = run("validate", "-f", "-", given=text).stdout.splitlines()
    assert told == [
        '<stdin>:apiVersion: Unsupported value: "tenantry.dev/v1": supported values: "tenantry.dev/v1alpha1" (line 1)',
        "<stdin>:spec.displayName: Required value (line 4)",
        "<stdin>:spec.displayname: unknown field: remove it, or correct its name (line 4)",
    ]
    right = GOOD.replace("/v1alpha1", "/v1")
    assert len(run("validate", "-f", "-", given=right).stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1\n", "<stdin>: it is not valid YAML: "),
        ("a: on\n", "<stdin>: on is a boolean to some readers of YAML and text to others: "),
        ("just text\n", "<stdin>: must be an object with apiVersion, kind, metadata and spec (line 1)"),
        ("{apiVersion: v1, kind: Pod}\n", '<stdin>:apiVersion: Unsupported value: "v1": '),
        (GOOD + "---\n" + GOOD, '<stdin>: plan "gold" stands in <stdin>, line 1 already: remove one (line 6)'),
        (f"kind: List\nitems:\n- {{}}\n- {GOOD.splitlines()[0]}\n", "<stdin>:items[0].apiVersion: Unsupported value: "),
    ],
)
def test_a_mistake_is_one_line(text: str, says: str) -> None:
    result = run("validate", "-f", "-", given=text)
    assert result.exit_code == 1
    assert result.stdout.startswith(says), result.stdout


def test_directories_below_are_looked_at_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "plan.yaml").write_text(GOOD)
    assert "there is no .yaml, .yml or .json file in it" in run("validate", "-f", str(tmp_path)).stdout
    assert run("validate", "-R", "-f", str(tmp_path)).stderr == "1 valid, 0 wrong\n"


def test_a_generated_name_is_valid() -> None:
    text = GOOD.replace("{name: gold}", "{generateName: gold-}")
    assert run("validate", "-f", "-", given=f"{text}---\n{text}").stderr == "2 valid, 0 wrong\n"


@pytest.mark.slow
def test_a_large_file_is_no_mistake_and_a_small_one_that_grows_is() -> None:
    plans = [GOOD.replace("gold", f"gold-{number}") for number in range(25_000)]
    assert run("validate", "-f", "-", given="---\n".join(plans)).stderr == "25000 valid, 0 wrong\n"
    levels = "\n".join(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]" for level in range(1, 9))
    bomb = run("validate", "-f", "-", given=f"l0: &l0 [a, b]\n{levels}\n")
    assert "values, counting what its aliases stand for" in bomb.stdout


def test_an_empty_file_name_is_not_the_working_directory() -> None:
    result = run("validate", "-f", "")
    assert result.exit_code == 2
    assert "it is empty; the working directory is `.`" in result.stderr


@pytest.mark.slow
def test_an_object_may_have_so_many_values_and_a_list_of_them_more() -> None:
    head = "apiVersion: tenantry.dev/v1alpha1\nkind: Config\nmetadata: {name: NAME}\nspec: {configSet: web, "
    head += "scope: {global: {}}, values: {a: [VALUES]}}\n"
    room = MAX_VALUES - 11  # the others of it

    def config(name: str, count: int) -> str:
        return head.replace("NAME", name).replace("VALUES", ",".join("1" * count))

    assert (
        run("validate", "-f", "-", given=f"{config('a', room)}---\n{config('b', room)}").stderr == "2 valid, 0 wrong\n"
    )
    items = [config(name, count).replace("\n", "\n  ").rstrip() for name, count in (("a", room), ("b", room + 1))]
    told = run("validate", "-f", "-", given="kind: List\nitems:\n- " + "\n- ".join(items) + "\n")
    assert told.exit_code == 1
    assert told.stderr == "1 valid, 1 wrong\n"
    assert told.stdout == (
        "<stdin>:items[1]: it has more than 65536 values: take something out of it, or make two of it (line 7)\n"
    )

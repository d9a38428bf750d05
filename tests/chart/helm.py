"""Helm, and what it renders of the chart."""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import tools
from tests.worktree import ROOT

CHART = ROOT / "charts" / "tenantry"
RELEASE, NAMESPACE = "tenantry", "tenantry-system"
#: a file of values for each way to install it
CI = {path.stem.removesuffix("-values"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))}
Document = dict[str, Any]


class HelmError(Exception):
    """Helm failed; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Helm:
    """One Helm, which knows nothing of the user's; `program` is a name of `tools.TOOLS`."""

    program: str = "helm"
    kubeconfig: Path | None = None

    def run(self, *arguments: str | Path) -> str:
        """What it prints.

        Raises:
            HelmError: it failed.
        """
        with tempfile.TemporaryDirectory(prefix="tenantry-helm-") as home:
            folders = {f"HELM_{kind}_HOME": f"{home}/{kind}" for kind in ("CACHE", "CONFIG", "DATA")}
            done = subprocess.run(
                [tools.program(self.program), *arguments],
                env=os.environ | folders | {"KUBECONFIG": str(self.kubeconfig or os.devnull)},
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0:
            raise HelmError(done.stderr or done.stdout)
        return done.stdout

    def template(self, *options: str | Path) -> str:
        """What it renders of the chart, as text."""
        return self.run("template", RELEASE, CHART, "--namespace", NAMESPACE, *options)

    def render(self, *options: str | Path) -> list[Document]:
        """The same as documents."""
        return [document for document in yaml.safe_load_all(self.template(*options)) if document]


@cache
def rendered(name: str, *options: str) -> Sequence[Document]:
    """The documents that the chart makes of the values called `name` in `CI`; not to be changed."""
    return Helm().render("--values", CI[name], *options)


def by_name(documents: Iterable[Document]) -> dict[str, Document]:
    """`Kind/name` to document."""
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in documents}

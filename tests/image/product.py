"""Our own image, built as it is shipped, and containers of it."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenantry import __version__
from tests.image import standins
from tests.image.engine import Engine
from tests.worktree import ROOT

NAME, BASE = f"tenantry:{__version__}", "python:3.13-slim"
#: as Pod Security `restricted` and a read-only root; an arbitrary UID, whose group is root's as on OpenShift
STRICT = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=4711", "--network=none")
DATA = "--tmpfs=/var/lib/tenantry:mode=1777"


def build(engine: Engine) -> str:
    """Build it by `make image`, and return its name."""
    standins.provide(engine, BASE)
    command = ["make", "--silent", "image", f"ARGS=--secret id=pip,src={engine.pip_config}"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | engine.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return NAME


def inspect(engine: Engine, image: str = NAME) -> dict[str, Any]:
    """What the engine knows of an image."""
    found: list[dict[str, Any]] = json.loads(engine.docker("image", "inspect", image).stdout)
    return found[0]


@contextmanager
def running(engine: Engine, *arguments: str) -> Iterator[str]:
    """A container's ID, for as long as the context lasts."""
    container = engine.docker("run", "--detach", *arguments).stdout.strip()
    try:
        yield container
    finally:
        engine.docker("rm", "--force", "--volumes", container)


def ask(engine: Engine, container: str, url: str) -> tuple[int, str]:
    """The code and the text with which a server answers inside a container; 0 when it does not."""
    script = (
        f"import urllib.request as r; a = r.urlopen('{url}', timeout=5); print(a.status, a.read().decode(), end='')"
    )
    said = engine.docker("exec", container, "python", "-c", script, check=False).stdout
    code, _, text = said.partition(" ")
    return int(code or 0), text

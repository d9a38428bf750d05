"""Our own image, built as it is shipped."""

import json
import os
import subprocess
from typing import Any

from tenantry import __version__
from tests.image import standins
from tests.image.engine import Engine
from tests.worktree import ROOT

NAME, BASE = f"tenantry:{__version__}", "python:3.13-slim"


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

"""Programs in JavaScript that tests run: what npm's lock names, installed once, and Node.js to run a script with it."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cache import cache_root, kept

SECONDS = 60


def modules(folder: Path) -> Path:
    """`node_modules` with what the `package-lock.json` in `folder` names."""
    if shutil.which("npm") is None:
        pytest.skip("npm and Node.js 20 are not installed")
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]

    def install(work: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, work)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=work, check=True, timeout=300)

    return kept(cache_root() / "node" / f"{folder.parent.name}-{digest}", install) / "node_modules"


async def run_script(script: Path, tmp_path: Path, given: dict[str, Any], *, ca: Path) -> Any:
    """What `script` prints as JSON; it gets `given` as JSON, and trusts `ca`. Fails with what it says when it fails."""
    home = tmp_path / "javascript"
    if not home.exists():
        home.mkdir()
        (home / "node_modules").symlink_to(modules(script.parent))
    for each in script.parent.glob("*.mjs"):
        shutil.copy(each, home)  # modules are looked for beside the script
    process = await asyncio.create_subprocess_exec(
        "node",
        script.name,
        json.dumps(given),
        cwd=home,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(ca), "NODE_NO_WARNINGS": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return json.loads(output)

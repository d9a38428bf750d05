"""SIGTERM ends both programs at any time: also while they load, and again while they finish what they began."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.operator import eventually
from tests.support.server import server_process

pytestmark = pytest.mark.slow  # each starts a program anew

#: loaded in the place of another module, it tells its process to end
ENDING = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); raise ImportError('it goes on')"
#: a program -> a module that it loads
LOADED = {"tenantry serve": "peewee", "tenantry migrate": "peewee", "tenantry_operator run": "kopf"}


@pytest.mark.parametrize("command", LOADED)
def test_while_it_loads(tmp_path: Path, command: str) -> None:
    (tmp_path / f"{LOADED[command]}.py").write_text(ENDING)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (143, "")


async def test_again_while_it_drains(tmp_path: Path) -> None:
    async with server_process(tmp_path, {"TENANTRY_DRAIN_SECONDS": "300"}) as server:
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "stopping on SIGTERM" in server.log.read_text(), "it drains")
        server.process.send_signal(signal.SIGTERM)
        assert await server.process.wait() == 143
    assert json.loads(server.log.read_text().splitlines()[-1])["message"] == "stopping on SIGTERM"

"""The beginning of the README on a laptop: its commands as they stand, and what it shows of their output."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.cluster import tools
from tests.cluster.processes import Program, execute
from tests.support.cluster import demand
from tests.support.pages import checkout, commands, script, shown

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PAGE, HEADING = "README.md", "Start"
#: what is told to a terminal alone, which there is none here: the link belongs to who sits there
ON_A_TERMINAL = re.compile(r"Nobody can sign in yet\..*?/setup/\.\.\.\n\n", re.DOTALL)
ELSEWHERE = """\
There is no account yet. A link for the first one, which works once, is printed by:

  .venv/bin/tenantry admin setup-link

"""


@pytest.fixture
def kubectl() -> Path:
    """The program."""
    demand("kubectl")
    return tools.program("kubectl")


def plain(text: str) -> str:
    """Output without what differs at every run: ports, ages, the width of columns."""
    text = re.sub(r"(?<=localhost:)\d+", "PORT", text)
    text = re.sub(r"\b\d+s\b", "AGE", text)
    return re.sub(r" *\n", "\n", re.sub(r" +", " ", text))


def test_the_commands_do_what_the_page_shows(kubectl: Path, tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    ports = dict.fromkeys(("TENANTRY_PORT", "TENANTRY_TLS_PORT", "TENANTRY_OPS_PORT"), "0")
    environment = os.environ | ports | {"HOME": str(tmp_path), "PATH": f"{kubectl.parent}:{os.environ['PATH']}"}
    environment = {name: value for name, value in environment.items() if not name.startswith("MAKE")}
    start, *rest = commands(PAGE, HEADING)
    server = Program("make", script(f"cd {folder}", f"exec {start}"), tmp_path / "log", environment)
    try:
        server.wait_until(lambda: "Try it in another terminal" in server.tail(), 60)
        said = execute(script(f"cd {folder}", *rest), input="", env=environment).stdout
        os.killpg(server.pid, signal.SIGINT)  # Ctrl-C
        server.process.wait(60)
    finally:
        server.end()
    output = plain(server.log.read_text() + said)
    assert len(shown(PAGE, HEADING)) == len(rest) + 1
    for expected in shown(PAGE, HEADING):
        assert plain(ON_A_TERMINAL.sub(ELSEWHERE, expected)) in output
    assert (folder / ".tenantry" / "tenantry.db").exists()

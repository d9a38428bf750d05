"""What it takes to run the programs at all: image, start, imports, memory of who does nothing, a whole installation."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests import lanes
from tests.bench.load import rss_mb
from tests.bench.report import Report, Row
from tests.bench.server import Target
from tests.cluster import node as whole_node
from tests.cluster import tools
from tests.cluster.cache import UnavailableError
from tests.cluster.controlplane import ControlPlane
from tests.cluster.node import Node
from tests.cluster.processes import Program, free_port
from tests.image import product, standins
from tests.image.engine import Engine
from tests.support.installation import TWO, Installation, furnish
from tests.support.operator import Client, Site, is_up

ROUNDS = 5
PATIENCE = 30  # seconds
PROGRAMS = {
    "serve": "tenantry.cli.main, tenantry.cli.serve",
    "operator": "tenantry_operator.__main__, tenantry_operator.process",
}
#: kopf imports it where it is: tests have it, the image has not
ABSENT = "kubernetes"


async def shipping(target: Target, report: Report) -> None:
    """All of it, without the server that is there."""
    del target
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder:
        for part in (_image, _start, _imports, _idle_operator, _install):
            try:
                await asyncio.to_thread(part, report, Path(folder))
            except UnavailableError as reason:
                print(f"left out: {reason}", file=sys.stderr)
    for kind in ("cold", "warm"):
        if seconds := lanes.runs().get(kind):
            report.add(Row(name=f"make test, {kind}, as it ran here last", backend="", value=seconds, unit="s"))
        else:
            print(f"left out: nothing is known of a {kind} run: make test", file=sys.stderr)


def _image(report: Report, _: Path) -> None:
    """What our image adds to its base."""
    standins.prepare()
    with Engine() as engine:
        ours, base = (product.inspect(engine, name)["Size"] for name in (product.build(engine), product.BASE))
    report.add(Row(name="image", backend="", value=(ours - base) / 1e6, unit="MB", target="<= 180"))


def _as_in_the_image(folder: Path) -> dict[str, str]:
    """The variables with which a program finds nothing of what tests have and the image has not."""
    (folder / f"{ABSENT}.py").write_text("raise ImportError", encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def _start(report: Report, folder: Path) -> None:
    """From nothing to ready: interpreter, imports, certificate, a new database with all its tables."""
    seconds, memory = [], []
    for number in range(ROUNDS):
        ports = {"PORT": 0, "TLS_PORT": 0, "OPS_PORT": free_port(), "DATA_DIR": folder / f"data-{number}"}
        settings = {f"TENANTRY_{name}": str(value) for name, value in ports.items()}
        ops = Client(f"http://127.0.0.1:{ports['OPS_PORT']}")
        start = time.perf_counter()
        command = [sys.executable, "-m", "tenantry", "serve"]
        program = Program("serve", command, folder / "serve.log", os.environ | settings)
        try:
            program.wait_until(partial(is_up, ops), PATIENCE)
            seconds.append(time.perf_counter() - start)
            memory.append(rss_mb(program.pid))
        finally:
            program.end()
    row = {"value": statistics.median(seconds), "rss_mb": statistics.median(memory)}
    report.add(Row(name="cold serve to ready", backend="sqlite", unit="s", target="<= 1.5", **row))


def _imports(report: Report, folder: Path) -> None:
    """What each program imports before it begins, and the five modules that cost most by themselves."""
    for program, modules in PROGRAMS.items():
        rounds = [_import(modules, folder) for _ in range(ROUNDS)]
        total = statistics.median(sum(costs.values()) for costs in rounds)
        report.add(Row(name=f"imports of {program}", backend="", value=total / 1000, unit="ms"))
        each = {module: statistics.median(costs[module] for costs in rounds) for module in rounds[0]}
        for module, cost in sorted(each.items(), key=lambda item: -item[1])[:5]:
            report.add(Row(name=f"  {module}", backend="", value=cost / 1000, unit="ms"))


def _import(modules: str, folder: Path) -> dict[str, int]:
    """Module -> microseconds without those that it imports itself."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {modules}"]
    environment = os.environ | _as_in_the_image(folder)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return {
        name: int(cost)
        for cost, name in re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", done.stderr, re.MULTILINE)
    }


def _idle_operator(report: Report, folder: Path) -> None:
    """An operator with nothing to do, in a cluster without a tenant."""
    with ControlPlane() as plane:
        site = Site(plane, folder)
        site.operator = site.replica("idle", **_as_in_the_image(folder))
        try:
            site.start()
            site.settle()
            report.add(
                Row(
                    name="idle operator", backend="", value=rss_mb(site.operator.program.pid), unit="MB", target="<= 90"
                )
            )
        finally:
            site.stop()


def _install(report: Report, _: Path) -> None:
    """From `helm install`, over a MySQL that is there, until every tenant of the samples is Ready."""
    whole_node.prepare()
    standins.prepare()
    tools.prepare("helm")
    with Engine() as engine, Node() as node:
        product.build(engine)
        furnish(node, engine)
        installation = Installation(node)
        installation.prepare()
        seconds = installation.install(*TWO)
        report.add(Row(name="helm install to all Ready", backend="mysql97", value=seconds, unit="s"))

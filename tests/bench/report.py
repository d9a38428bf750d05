"""Results as a table for people and JSON lines for machines."""

from __future__ import annotations

import json
import os
import platform
import re
import sqlite3
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

OUTPUT = Path(".tenantry/bench.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured value; ``target`` such as ``<= 1.2`` is about ``ratio`` if there is one, else about ``value``."""

    name: str
    backend: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    target: str = ""
    cpu_us_per_op: float | None = None
    rss_mb: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None where there is none."""
        if not self.target:
            return None
        operator, bound = self.target.split()
        value = self.value if self.ratio is None else self.ratio
        return value >= float(bound) if operator == ">=" else value <= float(bound)


class Report:
    """Collects rows, prints each as it comes, and appends it to :data:`OUTPUT`."""

    def __init__(self) -> None:
        self._commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip()
        OUTPUT.parent.mkdir(exist_ok=True)
        print(_machine())
        print(f"{'bench':34} {'backend':8} {'value':>10} {'unit':12} {'ratio':>7} {'target':>10}  met")

    def add(self, row: Row) -> None:
        """Take a row."""
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        met = {True: "yes", False: "NO", None: ""}[row.met]
        print(
            f"{row.name:34} {row.backend:8} {row.value:10.2f} {row.unit:12} {ratio:>7} {row.target:>10}  {met}",
            flush=True,
        )
        with OUTPUT.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row) | {"met": row.met, "commit": self._commit}) + "\n")


def _machine() -> str:
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )

"""Tenants by the operator: what it takes to make them real in a cluster, and to find that nothing has changed."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.load import cpu_seconds, rss_mb
from tests.bench.report import Report, Row
from tests.bench.server import Target
from tests.cluster.controlplane import ControlPlane
from tests.support.operator import GROUP, Operator, Site, eventually, plan, tenant

#: each with a namespace, a quota, a limit range and a record
TENANTS = int(os.environ.get("TENANTRY_BENCH_TENANTS", "1000"))
PATIENCE = 600  # seconds


async def operator(target: Target, report: Report) -> None:
    """A cluster full of new tenants, then a restart among them; the API is one of its own, over SQLite."""
    del target
    await asyncio.to_thread(_measure, report)


def _measure(report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder, ControlPlane() as plane:
        site = Site(plane, Path(folder))
        try:
            site.start()
            site.apply(plan("pro"))
            site.until("plans", "pro", "Ready", "True")
            site.operator.stop()
            _create(site)
            _start(site.operator, report, "new")
            site.settle()
            site.operator.stop()
            _start(site.operator, report, "unchanged")
            site.operator.catch_up(lists=2)
            writes = site.operator.writes()
            report.add(Row(name="writes after a restart", backend="sqlite", value=writes, unit="", target="<= 0"))
        finally:
            site.stop()


def _create(site: Site) -> None:
    with ThreadPoolExecutor(8) as pool:
        documents = (tenant(f"t{number:05}") for number in range(TENANTS))
        list(pool.map(lambda document: site.kube.do("POST", f"{GROUP}/tenants", document), documents))


def _start(replica: Operator, report: Report, what: str) -> None:
    """Start it and wait until it has handled every tenant and all are Ready."""

    def all_ready() -> bool:
        time.sleep(1)  # a look costs the operator as much as half a tenant
        return (
            replica.metric("tenantry_tenant_condition", type="Ready", status="True") >= TENANTS
            and replica.metric("controller_runtime_reconcile_total", controller="tenant") >= TENANTS
            and replica.is_idle()
        )

    replica.start()
    pid, start = replica.program.pid, time.perf_counter()
    before = cpu_seconds(pid)  # the imports
    eventually(all_ready, "all tenants are Ready", PATIENCE)
    seconds, cost = time.perf_counter() - start, (cpu_seconds(pid) - before) / TENANTS * 1000
    name = f"{TENANTS:,} tenants by operator, {what}"
    report.add(Row(name=name, backend="sqlite", value=seconds, unit="s"))
    bound = "<= 8" if what == "new" else ""
    report.add(
        Row(
            name=f"operator, {what}",
            backend="sqlite",
            value=cost,
            unit="ms CPU each",
            target=bound,
            cpu_us_per_op=cost * 1000,
            rss_mb=rss_mb(pid),
        )
    )

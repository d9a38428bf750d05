"""The benches: each a function of a running server and a report, named in the table of `make bench`."""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count
from urllib.parse import urlencode

from tenantry.model import ids
from tenantry.model.identity import User
from tenantry.model.kinds import TENANT
from tenantry.services.people.passwords import Passwords
from tenantry.services.resources import transactions
from tenantry.services.resources.candidate import Writer, create
from tenantry.storage import users
from tenantry.storage.db import Database
from tenantry.web import csrf
from tenantry.web.rendering import FORM_COOKIE
from tests.bench import seeding
from tests.bench.identity import identity
from tests.bench.load import CONNECTIONS, Result, cpu_seconds, drive, request, rss_mb
from tests.bench.operator import operator
from tests.bench.report import Report, Row
from tests.bench.server import Target, session
from tests.bench.shipping import shipping

ROUNDS = 3
ROOT = "/apis/tenantry.dev/v1alpha1/tenants"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"

Bench = Callable[[Target, Report], Awaitable[None]]
_numbers = count()


async def _rounds(
    target: Target, *makes: Callable[[int], bytes], rounds: int = 3 * ROUNDS, seconds: float = 0.5
) -> list[list[Result]]:
    """Each request's results over interleaved rounds, after a warm-up.

    They are many and short, but for percentiles: other guests may make the machine a quarter slower for seconds.
    """
    for make in makes:
        await drive(target.url, target.pid, make, seconds=0.5)
    results: list[list[Result]] = [[] for _ in makes]
    for _ in range(rounds):
        for index, make in enumerate(makes):
            results[index].append(await drive(target.url, target.pid, make, seconds=seconds))
    for some in results:
        bad = {status: number for result in some for status, number in result.statuses.items() if status >= 400}
        if bad:
            raise RuntimeError(f"the server answered {bad}")
    return results


def _cpu(results: list[Result]) -> float:
    return statistics.median(result.cpu_us for result in results)


def _constant(target: Target, size: int) -> Callable[[int], bytes]:
    sent = request("GET", f"/bench/constant/{size}", token=target.token)
    return lambda _: sent


async def prepare(target: Target) -> None:
    """The plan and the tenant that most benches use."""
    async with session(target) as http:
        plan = {
            "apiVersion": "tenantry.dev/v1alpha1",
            "kind": "Plan",
            "metadata": {"name": "pro"},
            "spec": {"displayName": "Pro", "maxNamespaces": 5},
        }
        for path, document in ((ROOT.replace("tenants", "plans"), plan), (ROOT, seeding.tenant("acme"))):
            async with http.post(path, json=document) as answer:
                answer.raise_for_status()


async def get(target: Target, report: Report) -> None:
    """One tenant from the database, against constant bytes of its length."""
    async with session(target) as http, http.get(f"{ROOT}/acme") as answer:
        size = len(await answer.read())
    sent = request("GET", f"{ROOT}/acme", token=target.token)
    got, constant = await _rounds(target, lambda _: sent, _constant(target, size))
    value, baseline = _cpu(got), _cpu(constant)
    add = report.add
    add(Row(name="baseline C", backend=target.backend, value=baseline, unit="us CPU"))
    add(
        Row(
            name="get",
            backend=target.backend,
            value=value,
            unit="us CPU",
            baseline=baseline,
            ratio=baseline / value,
            target=">= 0.25",
            cpu_us_per_op=value,
            rss_mb=rss_mb(target.pid),
        )
    )


async def patch(target: Target, report: Report) -> None:
    """Merge patch and server-side apply, with and without a change."""
    await _spread(target)

    def merge(number: int) -> bytes:
        body = json.dumps({"spec": {"displayName": f"n{next(_numbers)}"}}).encode()
        return request("PATCH", f"{ROOT}/p{number % 64:02}", token=target.token, body=body, content_type=MERGE)

    def same(number: int) -> bytes:
        body = b'{"spec":{"planRef":{"name":"pro"}}}'
        return request("PATCH", f"{ROOT}/p{number % 64:02}", token=target.token, body=body, content_type=MERGE)

    def applied(number: int, name: str) -> bytes:
        document = seeding.tenant(f"p{number % 64:02}", display_name=name)
        path = f"{ROOT}/p{number % 64:02}?fieldManager=bench&force=true"
        return request("PATCH", path, token=target.token, body=json.dumps(document).encode(), content_type=APPLY)

    changed, unchanged, constant = await _rounds(target, merge, same, _constant(target, 512))
    baseline = _cpu(constant)
    apply_changed, apply_same = await _rounds(
        target, lambda number: applied(number, f"n{next(_numbers)}"), lambda number: applied(number, "same")
    )
    mysql = target.backend != "sqlite"
    for name, results, bound in (
        ("patch changed", changed, 2.0 if mysql else 1.2),
        ("patch unchanged", unchanged, 1.0 if mysql else 0.7),
        ("apply changed", apply_changed, 3.0 if mysql else 2.0),
        ("apply unchanged", apply_same, 3.0 if mysql else 2.0),
    ):
        value = _cpu(results) / 1000
        report.add(
            Row(
                name=name,
                backend=target.backend,
                value=value,
                unit="ms CPU",
                target=f"<= {bound}",
                cpu_us_per_op=value * 1000,
            )
        )
        # the bounds are those of a machine on which C is 80 us
        report.add(
            Row(
                name=f"{name}, times C",
                backend=target.backend,
                value=value * 1000,
                unit="us CPU",
                baseline=baseline,
                ratio=value * 1000 / baseline,
                target=f"<= {bound * 1000 / 80:g}",
            )
        )


async def _spread(target: Target) -> None:
    """64 tenants, so that concurrent writes rarely race for one."""
    async with session(target) as http:
        for number in range(64):
            async with http.post(ROOT, json=seeding.tenant(f"p{number:02}")) as answer:
                if answer.status not in (201, 409):
                    answer.raise_for_status()


async def creates(target: Target, report: Report) -> None:
    """Durable creates over HTTP against the same unit function called in process."""
    documents = (seeding.tenant(f"c{ids.uuid7()[-12:]}") for _ in count())

    def make(_: int) -> bytes:
        return request(
            "POST", ROOT, token=target.token, body=json.dumps(next(documents)).encode(), content_type="application/json"
        )

    rates, baselines = [], []
    await drive(target.url, target.pid, make, seconds=0.5)
    for _ in range(ROUNDS):
        rates.append((await drive(target.url, target.pid, make, seconds=2)).rate)
        baselines.append(await _creates_in_process(target, 2))
    value, baseline = statistics.median(rates), statistics.median(baselines)
    report.add(
        Row(
            name="durable creates",
            backend=target.backend,
            value=value,
            unit="1/s",
            baseline=baseline,
            ratio=value / baseline,
            target=">= 0.3",
        )
    )


async def _creates_in_process(target: Target, seconds: float) -> float:
    db = await Database.open(target.database_url)
    writer = Writer(manager="bench", now=ids.now_micros())
    done = 0
    ready = [create(TENANT, seeding.tenant(f"b{ids.uuid7()[-12:]}"), "", writer) for _ in range(int(seconds * 3000))]
    end = time.perf_counter() + seconds

    async def work() -> None:
        nonlocal done
        while ready and time.perf_counter() < end:
            await db.run(transactions.put, seeding.ACTOR, ready.pop(), "create", write=True)
            done += 1

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(16)))
    elapsed = time.perf_counter() - start
    await db.close()
    return done / elapsed


async def lists(target: Target, report: Report) -> None:
    """A Table of 500 rows, and 50 of 100,000 by label; then what 100,000 tenants cost against 1,000."""
    table = request("GET", f"{ROOT}?limit=500", token=target.token, accept=TABLE)
    label = request("GET", f"{ROOT}?labelSelector=ring%3Drare", token=target.token)
    one = request("GET", f"{ROOT}/t000700", token=target.token)

    def write(_: int) -> bytes:
        body = json.dumps({"spec": {"displayName": f"n{next(_numbers)}"}}).encode()
        return request(
            "PATCH", f"{ROOT}/t{next(_numbers) % 1000:06}", token=target.token, body=body, content_type=MERGE
        )

    await seeding.seed(target.database_url, 0, 1000)
    makes = (lambda _: table, lambda _: one, write)
    small = await _rounds(target, *makes, rounds=ROUNDS, seconds=1.5)
    await seeding.seed(target.database_url, 1000, 99_000)
    await asyncio.sleep(3)  # the server reads the seeded part of the change log
    large = await _rounds(target, *makes, rounds=ROUNDS, seconds=1.5)
    (labelled,) = await _rounds(target, lambda _: label)
    report.add(
        Row(
            name="table of 500",
            backend=target.backend,
            value=_cpu(small[0]) / 1000,
            unit="ms CPU",
            target="<= 15",
        )
    )
    report.add(
        Row(
            name="50 of 100,000 by label",
            backend=target.backend,
            value=_cpu(labelled) / 1000,
            unit="ms CPU",
            target="<= 10",
        )
    )
    for name, before, after in zip(("list page", "get", "patch"), small, large, strict=True):
        p99 = [statistics.median(result.percentile(0.99) for result in some) for some in (before, after)]
        report.add(
            Row(
                name=f"100,000 tenants: {name} p99",
                backend=target.backend,
                value=p99[1],
                unit="ms",
                baseline=p99[0],
                ratio=p99[1] / p99[0],
                target="<= 2",
            )
        )
        report.add(
            Row(
                name=f"100,000 tenants: {name} CPU",
                backend=target.backend,
                value=_cpu(after),
                unit="us CPU",
                baseline=_cpu(before),
                ratio=_cpu(after) / _cpu(before),
                target="<= 1.2",
            )
        )


async def watches(target: Target, report: Report) -> None:
    """One write to 1,000 watchers: CPU for each, and how long until the last has it."""
    path = f"{ROOT}?watch=true&resourceVersion="
    async with session(target) as http:
        async with http.get(ROOT, params={"limit": "1"}) as answer:
            version = (await answer.json())["metadata"]["resourceVersion"]
        watchers = [await _open_watch(target, path + version) for _ in range(1000)]
        await asyncio.sleep(1)
        costs, times = [], []
        for _ in range(5):
            body = {"spec": {"displayName": f"w{next(_numbers)}"}}
            before, start = cpu_seconds(target.pid), time.perf_counter()
            async with http.patch(f"{ROOT}/acme", json=body, headers={"Content-Type": MERGE}) as answer:
                answer.raise_for_status()
            await asyncio.gather(*(reader.readuntil(b"}\n\r\n") for reader, _ in watchers))
            times.append(time.perf_counter() - start)
            costs.append((cpu_seconds(target.pid) - before) / 1000 * 1e6)
        for _, writer in watchers:
            writer.close()
    report.add(
        Row(
            name="one write to 1,000 watchers",
            backend=target.backend,
            value=statistics.mean(costs),
            unit="us CPU each",
            target="<= 30",
            rss_mb=rss_mb(target.pid),
        )
    )
    report.add(
        Row(
            name="until the last of 1,000 has it",
            backend=target.backend,
            value=statistics.median(times),
            unit="s",
            target="<= 1",
        )
    )


async def _open_watch(target: Target, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    _, _, host = target.url.partition("//")
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    writer.write(request("GET", path, token=target.token))
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def idle(target: Target, report: Report) -> None:
    """A server that nobody asks anything."""
    await asyncio.sleep(2)
    before = cpu_seconds(target.pid)
    seconds = 10.0
    await asyncio.sleep(seconds)
    spent = (cpu_seconds(target.pid) - before) / seconds * 100
    memory = rss_mb(target.pid)
    report.add(Row(name="idle CPU", backend=target.backend, value=spent, unit="%", target="<= 0.5"))
    report.add(
        Row(name="idle memory", backend=target.backend, value=memory, unit="MB RSS", target="<= 90", rss_mb=memory)
    )


async def mix(target: Target, report: Report) -> None:
    """Nine reads and a write: latency, and how late the event loop ran its timers."""
    await _spread(target)
    ((result,),) = await _rounds(target, _mixed(target), rounds=1, seconds=3)
    report.add(Row(name="90/10 mix", backend=target.backend, value=result.rate, unit="1/s"))
    report.add(Row(name="90/10 mix p99", backend=target.backend, value=result.percentile(0.99), unit="ms"))
    report.add(Row(name="loop lag p99", backend=target.backend, value=await _loop_lag(target), unit="ms, at most"))


def _mixed(target: Target) -> Callable[[int], bytes]:
    """Nine reads and a write."""

    def make(number: int) -> bytes:
        path = f"{ROOT}/p{number % 64:02}"
        if number % 10:
            return request("GET", path, token=target.token)
        body = json.dumps({"spec": {"displayName": f"n{next(_numbers)}"}}).encode()
        return request("PATCH", path, token=target.token, body=body, content_type=MERGE)

    return make


async def _loop_lag(target: Target) -> float:
    """The bucket of the lag histogram that holds the 99th percentile, in milliseconds."""
    async with session(target) as http, http.get(f"{target.ops_url}/metrics") as answer:
        text = await answer.text()
    buckets = re.findall(r'tenantry_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)', text)
    total = float(buckets[-1][1])
    return next(float(bound) for bound, number in buckets if float(number) >= 0.99 * total) * 1000


async def large(target: Target, report: Report) -> None:
    """How long a GET takes while somebody else sends large documents without a pause."""
    path = "/apis/tenantry.dev/v1alpha1/namespaces/bench/configs"
    values = {f"v{number}": {f"n{each}": each for each in range(40)} for number in range(400)}
    config = {
        "apiVersion": "tenantry.dev/v1alpha1",
        "kind": "Config",
        "metadata": {"name": "large"},
        "spec": {"configSet": "large", "scope": {"global": {}}, "values": values},
    }
    async with session(target) as http, http.post(path, json=config) as answer:
        answer.raise_for_status()

    def send(method: str, path: str, body: bytes, content_type: str = "application/json") -> bytes:
        return request(method, path, token=target.token, body=body, content_type=content_type)

    one, whole = f"{path}/large?dryRun=All&fieldManager=bench", json.dumps(config).encode()
    for name, beside in (
        ("nothing", b""),
        ("1.5 MiB of zeros, refused", send("POST", path, b"[" + b"0," * 780_000 + b"0]")),
        ("creates, refused", send("POST", path, whole.replace(b"Config", b"Confit"))),
        ("merge patches", send("PATCH", one, b'{"spec":{"values":{"v0":null}}}', MERGE)),
        ("applies", send("PATCH", f"{one}&force=true", whole, APPLY)),
    ):
        result = await _get_beside(target, beside)
        for part, word in ((0.5, "p50"), (0.99, "p99")):
            row = f"get beside {name}: {word}"
            report.add(Row(name=row, backend=target.backend, value=result.percentile(part), unit="ms"))


async def _get_beside(target: Target, other: bytes) -> Result:
    """One connection's GETs, while another sends ``other`` if there is any."""
    others = [drive(target.url, target.pid, lambda _: other, seconds=3, connections=1)] if other else []
    result, *_ = await asyncio.gather(_gets(target), *others)
    return result


async def _gets(target: Target) -> Result:
    """One connection's GETs for three seconds."""
    read = request("GET", f"{ROOT}/acme", token=target.token)
    return await drive(target.url, target.pid, lambda _: read, seconds=3, connections=1)


async def logins(target: Target, report: Report) -> None:
    """How long the requests of the mix take, and a lonely GET, while 50 people at a time sign in by password."""
    people = [f"bench-{number}@example.com" for number in range(64)]
    await _add_accounts(target, people)
    await _spread(target)
    form = "f" * 43  # what a browser's form belongs to
    fields = {"csrf": csrf.token_of(form), "password": "a bench's password"}

    def sign_in(number: int) -> bytes:
        body = urlencode({**fields, "email": people[number % len(people)]}).encode()
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"  # no throttle is measured here
        head = f"Cookie: {FORM_COOKIE}={form}\r\nOrigin: http://localhost\r\nX-Forwarded-For: {address}"
        return request("POST", "/login", body=body, content_type=f"application/x-www-form-urlencoded\r\n{head}")

    one, mixed = request("GET", f"{ROOT}/acme", token=target.token), _mixed(target)
    for name, make, connections, bound in (
        ("mix beside 50 logins: p99", mixed, CONNECTIONS, "<= 1.2"),
        ("get beside 50 logins: p99", lambda _: one, 1, ""),
    ):

        async def others(make: Callable[[int], bytes] = make, connections: int = connections) -> Result:
            return await drive(target.url, target.pid, make, seconds=3, connections=connections)

        alone, beside, signed_in = [], [], []
        await others()
        for _ in range(ROUNDS):
            alone.append((await others()).percentile(0.99))
            result, load = await asyncio.gather(
                others(), drive(target.url, target.pid, sign_in, seconds=3, connections=50)
            )
            if set(load.statuses) != {303}:
                raise RuntimeError(f"the server answered {load.statuses}")
            beside.append(result.percentile(0.99))
            signed_in.append(load.rate)
        value, baseline = statistics.median(beside), statistics.median(alone)
        report.add(
            Row(
                name=name,
                backend=target.backend,
                value=value,
                unit="ms",
                baseline=baseline,
                ratio=value / baseline,
                target=bound,
            )
        )
        report.add(Row(name="logins", backend=target.backend, value=statistics.median(signed_in), unit="1/s"))


async def _add_accounts(target: Target, people: list[str]) -> None:
    hasher = Passwords()
    hashed = await hasher.hash("a bench's password")
    hasher.close()
    db = await Database.open(target.database_url)
    for email in people:
        now = ids.now_micros()
        user = User(id=ids.uuid7(), email=email, password_hash=hashed, created_at=now, updated_at=now)
        await db.run(users.insert, user, write=True)
    await db.close()


async def cli(target: Target, report: Report) -> None:
    """1,000 tenants in one file, applied by the command line: all new, then all the same."""
    run = ids.uuid7()[-8:]
    documents = [json.dumps(seeding.tenant(f"cli-{run}-{number:04}")) for number in range(1000)]
    file = target.data_dir / "tenants.yaml"
    file.write_text("\n---\n".join(documents), encoding="utf-8")
    command = [sys.executable, "-m", "tenantry", "apply", "-f", str(file)]
    environment = {**os.environ, "TENANTRY_SERVER": target.url, "TENANTRY_TOKEN": target.token}
    for name in ("1,000 tenants by CLI, new", "1,000 tenants by CLI, unchanged"):
        before, start = cpu_seconds(target.pid), time.perf_counter()
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)
        if await process.wait():
            raise RuntimeError("tenantry apply failed")
        seconds = time.perf_counter() - start
        cost = (cpu_seconds(target.pid) - before) / 1000 * 1e6
        report.add(Row(name=name, backend=target.backend, value=seconds, unit="s", cpu_us_per_op=cost))


#: in the order in which they run; those that need an empty database come first
BENCHES: dict[str, Bench] = {
    "idle": idle,
    "get": get,
    "patch": patch,
    "creates": creates,
    "cli": cli,
    "mix": mix,
    "large": large,
    "logins": logins,
    "watches": watches,
    "lists": lists,
    "identity": identity,
    "operator": operator,
    "shipping": shipping,
}

"""A light load on an API, which remembers every request that failed."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, Self

from tests.support.operator import GROUP, MERGE

PATH = f"{GROUP}/plans/traffic"
PLAN = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Plan", "metadata": {"name": "traffic"}}
Answer = tuple[int, bytes]
#: of a client between two requests
PAUSE = 0.02
LIMIT = 50_000  # requests of a client


class Traffic:
    """Clients that send one request after the other, as long as the context lasts.

    Two read on connections that they keep, one makes a new connection for each request, and one writes to a Plan of
    its own, which is gone in the end.

    Args:
        address: where the API listens.
        host: the name that requests ask for.
        token: of an administrator.
    """

    def __init__(self, address: str, host: str, token: str) -> None:
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self.written = 0
        self._address = address
        self._headers = {"Host": host, "Authorization": f"Bearer {token}"}
        self._stop = threading.Event()
        work = (self._read, self._read, self._connect, self._write)
        self._clients = [threading.Thread(target=self._run, args=(each,)) for each in work]

    def __enter__(self) -> Self:
        self._once("POST", f"{GROUP}/plans", PLAN | {"spec": {"displayName": "0"}})
        for client in self._clients:
            client.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for client in self._clients:
            client.join()
        if error is None:
            assert json.loads(self._once("GET", PATH))["spec"]["displayName"] == str(self.written)
        self._once("DELETE", PATH)

    def _run(self, work: Callable[[HTTPConnection, int], Answer]) -> None:
        with closing(HTTPConnection(self._address, timeout=30)) as connection:
            for number in range(LIMIT):
                if self._stop.wait(PAUSE):
                    break
                try:
                    code, text = work(connection, number)
                except (OSError, HTTPException) as error:
                    connection.close()
                    self.failures.append(f"{work.__name__} {number}: {error!r}")
                else:
                    self.answers[code] += 1
                    if code != 200:
                        self.failures.append(f"{work.__name__} {number}: {code} {text.decode()}")

    def _read(self, connection: HTTPConnection, number: int) -> Answer:
        return self._ask(connection, "GET", (f"{GROUP}/tenants", "/v1/me")[number % 2])

    def _connect(self, connection: HTTPConnection, _: int) -> Answer:
        connection.close()
        return self._ask(connection, "GET", f"{GROUP}/tenants/acme")

    def _write(self, connection: HTTPConnection, number: int) -> Answer:
        answer = self._ask(connection, "PATCH", PATH, {"spec": {"displayName": str(number)}}, MERGE)
        self.written = number
        return answer

    def _once(self, method: str, path: str, body: Any = None) -> bytes:
        with closing(HTTPConnection(self._address, timeout=30)) as connection:
            code, text = self._ask(connection, method, path, body)
        assert code < 300, text
        return text

    def _ask(
        self, connection: HTTPConnection, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> Answer:
        headers = self._headers | {"Content-Type": kind}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

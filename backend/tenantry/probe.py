"""``python -m tenantry.probe``: whether the program beside it is ready, for the HEALTHCHECK of an image.

It asks `/readyz` of ``TENANTRY_OPS_PORT``, prints the answer and ends with 0 or 1. It runs every few seconds, so it
imports nothing heavy, of ours neither.
"""

import os
import socket
import sys

_SECONDS = 2.0


def main() -> int:
    """The exit code."""
    port = int(os.environ.get("TENANTRY_OPS_PORT") or 9090)
    host = os.environ.get("TENANTRY_HOST") or "127.0.0.1"
    try:
        with socket.create_connection((host, port), _SECONDS) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError as error:
        print(f"port {port} of {host}: {error}")  # noqa: T201 - an engine keeps it
        return 1
    head, _, body = answer.partition(b"\r\n\r\n")
    print(body.decode(errors="replace"), end="")  # noqa: T201
    return int(b" 200 " not in head.partition(b"\r\n")[0])


if __name__ == "__main__":
    sys.exit(main())

"""`python -m chassis.probe PORT`: a container's health check. Exits with 0 if the service on this host is ready.

It only reads one status line over a socket. A check that imports an HTTP client costs more CPU than an idle service.
"""

import socket
import sys

TIMEOUT_SECONDS = 3.0


def is_ready(port: int) -> bool:
    """Whether `/health/readiness` on this host answers 200. Never raises if the service is down."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(b"GET /health/readiness HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


if __name__ == "__main__":
    match sys.argv[1:]:
        case [port] if port.isdecimal() and int(port) < 65_536:
            raise SystemExit(0 if is_ready(int(port)) else 1)
        case _:
            raise SystemExit("usage: python -m chassis.probe PORT")

"""Ports for servers that are stopped and started again.

Below those that the kernel gives to outgoing connections: thousands are opened in a run, and one of them would sooner or
later have the port of a service that is just being started anew.
"""

import random
import socket

RANGE = range(20_000, 32_000)


def quiet_port() -> int:
    """Free now, and nobody takes it by chance."""
    while True:
        port = random.choice(RANGE)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port

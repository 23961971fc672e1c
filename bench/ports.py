"""Ports for servers that are stopped and started again.

They are below the range that the kernel uses for outgoing connections. A run opens thousands, and sooner or later one of
them would have the port of a service that is being restarted.
"""

import random
import socket

RANGE = range(20_000, 32_000)


def quiet_port() -> int:
    """A port that is free now and that no connection takes by chance."""
    while True:
        port = random.choice(RANGE)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port

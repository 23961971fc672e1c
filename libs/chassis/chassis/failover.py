"""Several servers behind one address: which is tried next, and how soon a server that fell silent is noticed.

PostgreSQL, RabbitMQ and Redis alike take several servers in one URL, in the form of PostgreSQL's own client:
`scheme://user:password@host1:port,host2:port/path?options`.
"""

import asyncio
import socket
from collections.abc import Iterable
from typing import Generic, TypeVar

Server = TypeVar("Server")

# A host that is cut off sends no reset. Without these, a statement would wait for its whole time limit, and a RabbitMQ
# connection for three missed heartbeats. A name that the operating system does not have is left out.
SILENT_SECONDS = 6
_IDLE_SECONDS, _PROBES = 3, 3
_OPTIONS = {
    "TCP_KEEPIDLE": _IDLE_SECONDS,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": _PROBES,
    "TCP_USER_TIMEOUT": SILENT_SECONDS * 1_000,  # milliseconds; for data that was written and never acknowledged
}


def servers_of(url: str) -> tuple[str, ...]:
    """The URLs of the single servers that `url` names, in its order. Checks nothing."""
    scheme, _, rest = url.partition("://")
    end = min((rest.index(mark) for mark in "/?#" if mark in rest), default=len(rest))
    login, at, hosts = rest[:end].rpartition("@")
    return tuple(f"{scheme}://{login}{at}{host.strip()}{rest[end:]}" for host in hosts.split(","))


class ServerOrder(Generic[Server]):
    """The servers of one address, the one to be tried next first. The connections of a pool share one object."""

    def __init__(self, servers: Iterable[Server]) -> None:
        self._servers = tuple(servers)

    def __len__(self) -> int:
        return len(self._servers)

    @property
    def next(self) -> Server:
        return self._servers[0]

    def all(self) -> tuple[Server, ...]:
        return self._servers

    def failed(self, server: Server) -> None:
        """Moves on to the server after it. Connections that failed at the same server at once move on only once."""
        if server == self.next:
            self._servers = (*self._servers[1:], server)


def notice_silence(transport: asyncio.BaseTransport) -> None:
    """Ends the connection when its peer has acknowledged nothing for `SILENT_SECONDS`, whether or not data is on its way."""
    found = transport.get_extra_info("socket")
    if found is None or found.family == socket.AF_UNIX:
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if hasattr(socket, name):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

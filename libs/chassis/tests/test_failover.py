"""Several servers behind one address: how it is read, which server is tried next, and when a silent one is given up."""

import asyncio
import socket

import pytest

from chassis.failover import SILENT_SECONDS, ServerOrder, notice_silence, servers_of


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("amqp://u:p@h:1/v", ["amqp://u:p@h:1/v"]),
        ("amqp://u:p@a:1,b:2/v?heartbeat=5", ["amqp://u:p@a:1/v?heartbeat=5", "amqp://u:p@b:2/v?heartbeat=5"]),
        ("redis://a,b", ["redis://a", "redis://b"]),
        ("redis://:p,q@a, b:2/0", ["redis://:p,q@a/0", "redis://:p,q@b:2/0"]),
        ("postgresql://u:p@@a,[::1]:5433/d", ["postgresql://u:p@@a/d", "postgresql://u:p@@[::1]:5433/d"]),
        ("postgresql:///d?host=/run,/tmp", ["postgresql:///d?host=/run,/tmp"]),
        ("unix:///run/redis,1.sock", ["unix:///run/redis,1.sock"]),
    ],
)
def test_an_address_names_each_of_its_servers(url: str, servers: list[str]) -> None:
    assert list(servers_of(url)) == servers


def test_the_server_after_a_failed_one_is_next() -> None:
    order = ServerOrder("abc")
    order.failed("a")
    assert (order.next, order.all()) == ("b", ("b", "c", "a"))
    order.failed("b")
    order.failed("c")
    assert order.next == "a", "after the last one comes the first again"


def test_many_connections_that_fail_at_one_server_do_not_skip_the_next() -> None:
    order = ServerOrder("ab")
    for _ in range(3):
        order.failed("a")
    assert order.next == "b"


def test_the_only_server_is_tried_again() -> None:
    order = ServerOrder("a")
    order.failed("a")
    assert order.next == "a"


async def test_a_peer_that_fell_silent_ends_its_connection_in_seconds() -> None:
    """That no reset comes can only be seen with a cut network: here, what the kernel was told."""

    async def ignore(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(ignore, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    notice_silence(writer.transport)
    known = writer.get_extra_info("socket")
    assert known.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert known.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENT_SECONDS * 1_000
    waits = [known.getsockopt(socket.IPPROTO_TCP, name) for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)]
    assert waits[0] + waits[1] * known.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == SILENT_SECONDS
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_a_connection_within_the_machine_has_no_silence_to_notice(tmp_path) -> None:
    async def ignore(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_unix_server(ignore, tmp_path / "socket")
    _, writer = await asyncio.open_unix_connection(tmp_path / "socket")
    notice_silence(writer.transport)
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()

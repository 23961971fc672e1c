"""Several real servers behind one address: the primary is found, and found again when another server has taken its place."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from redis.asyncio import Redis
from sqlalchemy import text

from chassis.broker import IncomingMessage, Publication, QueueSpec, RabbitBroker, Timing, Topology
from chassis.failover import SILENT_SECONDS
from chassis.postgres.connecting import Connector
from chassis.postgres.database import Database, DatabaseUnavailable
from chassis.postgres.migrations import migrate
from chassis.redis.client import CALL_SECONDS, OptionalRedis, RedisUnavailable, connect_redis
from chassis.server_urls import DatabaseUrl, RabbitUrl, RedisUrl
from testkit.eventually import eventually, wait_until
from testkit.servers.folder import server_folder
from testkit.servers.postgres import PostgresServer
from testkit.servers.rabbitmq import RabbitServer
from testkit.servers.redis import RedisServer
from testkit.unresponsive import unresponsive_server

ROOT = Path(__file__).resolve().parents[2]
WAYS = [Database.begin, Database.autocommit]
WRITE = text("INSERT INTO notes (note) VALUES ('x') RETURNING note")


@pytest.fixture
def folder() -> Iterator[Path]:
    if os.environ.get("CI") != "true":
        pytest.skip("servers of its own are started in CI only")
    with server_folder("failover-") as one:
        yield one


@dataclass(frozen=True)
class Pair:
    """A primary and its standby, which confirms each commit."""

    primary: PostgresServer
    standby: PostgresServer

    def url(self, *first: str) -> str:
        """The standby is named first: it has to be passed over. Before it, `first`."""
        hosts = ",".join([*first, f"127.0.0.1:{self.standby.port}", f"127.0.0.1:{self.primary.port}"])
        return str(TypeAdapter(DatabaseUrl).validate_python(f"postgresql://postgres@{hosts}/postgres"))


@pytest.fixture
async def pair(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setenv("PGSSLMODE", "disable")
    made = []
    try:
        for name in ("primary", "standby"):
            (folder / name).mkdir()
            made.append(PostgresServer(folder / name, primary=made[0] if made else None))
            await asyncio.to_thread(made[-1].start)
        primary = Database(made[0].url)
        async with primary.autocommit() as connection:
            await connection.execute(text("ALTER SYSTEM SET synchronous_standby_names = 'standby'"))
            await connection.execute(text("SELECT pg_reload_conf()"))
            await connection.execute(text("CREATE TABLE notes (note text)"))
        await primary.close()
        yield Pair(*made)
    finally:
        for server in made:
            server.stop()


@pytest.mark.parametrize("way", WAYS)
async def test_postgresql_s_primary_is_found_and_after_a_failover_the_new_one(pair: Pair, way: Callable) -> None:
    database = Database(pair.url(), pool_size=2)

    async def write() -> None:
        async with way(database) as connection:
            await connection.execute(WRITE)

    await write()
    pair.primary.kill()
    with pytest.raises(DatabaseUnavailable):
        await write()  # the connection is lost
    with pytest.raises(DatabaseUnavailable):
        await write()  # there is a standby alone
    await asyncio.to_thread(pair.standby.promote)
    await write()
    async with database.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM notes"))).scalar_one() == 2, "and nothing is lost"
    await database.close()


@pytest.mark.parametrize("way", WAYS)
async def test_a_connection_to_a_primary_that_takes_no_more_writes_is_thrown_away(pair: Pair, way: Callable) -> None:
    """As a switchover by hand leaves it: the old primary answers, and refuses."""
    database, old = Database(pair.url(), pool_size=1), Database(pair.primary.url)

    async def write() -> None:
        async with way(database) as connection:
            await connection.execute(WRITE)

    await write()
    async with old.autocommit() as connection:
        await connection.execute(text("ALTER SYSTEM SET default_transaction_read_only = on"))
        await connection.execute(text("SELECT pg_reload_conf()"))
    await old.close()
    with pytest.raises(DatabaseUnavailable):
        await eventually(write, until=lambda _: False)  # until the server has read its configuration
    await asyncio.to_thread(pair.standby.promote)
    await write()
    await database.close()


async def test_a_server_that_is_cut_off_costs_its_own_time_only_and_once(pair: Pair) -> None:
    async with unresponsive_server() as silent:
        port = int(silent.url.rpartition(":")[2])
        connector = Connector(pair.url(f"127.0.0.1:{port}"), seconds=1.0)
        first = await connector.connect()
        async with asyncio.timeout(0.9):
            second = await connector.connect()
        for connection in (first, second):
            assert not await connection.fetchval("SELECT pg_is_in_recovery()")
            waits = connection._transport.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT
            )
            assert waits == SILENT_SECONDS * 1_000, "one that is cut off later is noticed"
            await connection.close()


async def test_migrations_go_to_the_primary(pair: Pair) -> None:
    await migrate(ROOT / "user-service" / "alembic", pair.url())
    primary = Database(pair.primary.url)
    async with primary.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM users"))).scalar_one() == 0
    await primary.close()


@pytest.fixture
async def redis_pair(folder: Path) -> AsyncIterator[tuple[RedisServer, RedisServer]]:
    primary = RedisServer(folder / "primary")
    replica = RedisServer(folder / "replica", options=["--replicaof", "127.0.0.1", str(primary.port)])
    try:
        primary.start()
        replica.start()
        yield primary, replica
    finally:
        replica.stop()
        primary.stop()


async def alone(server: RedisServer, *command: object) -> None:
    """Runs the command on that server."""
    async with Redis.from_url(server.url) as client:
        await client.execute_command(*command)


@pytest.fixture
async def redis(redis_pair: tuple[RedisServer, RedisServer]) -> AsyncIterator[OptionalRedis]:
    """The replica is named first: it has to be passed over."""
    primary, replica = redis_pair
    url = TypeAdapter(RedisUrl).validate_python(f"redis://127.0.0.1:{replica.port},127.0.0.1:{primary.port}/0")
    client = connect_redis(url)
    yield OptionalRedis(client, used_for="test")
    await client.aclose()


async def test_redis_s_primary_is_found_and_after_a_failover_the_new_one(
    redis: OptionalRedis, redis_pair: tuple[RedisServer, RedisServer]
) -> None:
    primary, replica = redis_pair
    assert (await redis.ask(lambda client: client.info("replication")))["role"] == "master", "reads go there too"
    await redis.ask(lambda client: client.set("before", "1"))
    primary.kill()
    with pytest.raises(RedisUnavailable):
        await redis.ask(lambda client: client.set("between", "1"))
    await alone(replica, "REPLICAOF", "NO", "ONE")
    await redis.ask_even_if_down(lambda client: client.set("after", "1"))


async def test_a_redis_that_became_a_replica_is_left_within_the_same_call(
    redis: OptionalRedis, redis_pair: tuple[RedisServer, RedisServer]
) -> None:
    primary, replica = redis_pair
    await redis.ask(lambda client: client.set("before", "1"))
    await alone(replica, "REPLICAOF", "NO", "ONE")
    await alone(primary, "REPLICAOF", "127.0.0.1", replica.port)
    await redis.ask(lambda client: client.set("after", "1"))
    async with Redis.from_url(replica.url) as new:
        assert await new.get("after") == b"1"


async def test_a_redis_that_is_cut_off_is_passed_over_by_the_next_call(
    redis_pair: tuple[RedisServer, RedisServer],
) -> None:
    async with unresponsive_server() as silent:
        hosts = f"{silent.url.removeprefix('http://')},127.0.0.1:{redis_pair[0].port}"
        client = connect_redis(f"redis://{hosts}/0")
        optional = OptionalRedis(client, used_for="test")
        with suppress(RedisUnavailable):
            await optional.ask(lambda redis: redis.set("first", "1"))
        async with asyncio.timeout(CALL_SECONDS):
            await optional.ask_even_if_down(lambda redis: redis.set("second", "1"))
        await client.aclose()


@pytest.fixture
def cluster(folder: Path) -> Iterator[list[RabbitServer]]:
    config = ["cluster_formation.peer_discovery_backend = classic_config"]
    nodes = [RabbitServer(folder / f"rabbitmq-{number}", config=config, cookie="of-the-cluster") for number in range(3)]
    config += [f"cluster_formation.classic_config.nodes.{number} = {node.node}" for number, node in enumerate(nodes)]
    try:
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(RabbitServer.start, nodes))
        wait_until(lambda: all(sees_all(node) for node in nodes), 60, "the cluster")
        yield nodes
    finally:
        for node in nodes:
            node.kill()
        nodes[0].clean_up()


def sees_all(node: RabbitServer) -> bool:
    """A queue that is declared earlier would live on fewer nodes."""
    return len(json.loads(node.control("cluster_status", "--formatter", "json"))["running_nodes"]) == 3


class Inbox:
    def __init__(self) -> None:
        self.received: set[str] = set()

    async def __call__(self, incoming: IncomingMessage) -> None:
        self.received.add(incoming.message_id)
        await incoming.ack()


async def test_each_node_of_rabbitmq_may_die_in_turn_and_nothing_is_lost(cluster: list[RabbitServer]) -> None:
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in cluster)
    url = TypeAdapter(RabbitUrl).validate_python(f"amqp://guest:guest@{hosts}/")
    topology = Topology("test", (QueueSpec("work", "work"),))
    broker = RabbitBroker(url, topology, name="test", queue_type="quorum", timing=Timing(longest_backoff=1))
    inbox, published = Inbox(), 0
    await broker.start()
    assert await broker.wait_connected(60)
    await broker.consume("work", inbox, prefetch=10)

    async def publish_some(number: int = 20) -> None:
        nonlocal published
        for _ in range(number):
            publication = Publication("work", b"{}", f"{published}")
            await eventually(
                lambda it=publication: broker.publish_many([it]), until=lambda outcomes: outcomes == [None]
            )
            published += 1

    async def all_received() -> bool:
        return inbox.received == {str(number) for number in range(published)}

    for node in cluster:
        await publish_some()
        await asyncio.to_thread(node.kill)
        await publish_some()
        await eventually(all_received)
        await asyncio.to_thread(node.start)
        await eventually(lambda node=node: whole(node))
    await broker.close()


async def whole(node: RabbitServer) -> bool:
    """Whether the node has what the queue needs to outlive the next node's death."""
    said = await asyncio.to_thread(node.control, "list_queues", "name", "online")
    return said.count("test-") == 3

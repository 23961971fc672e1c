"""The users of deploy/rabbitmq/definitions.sh, on a real RabbitMQ: each service works whole, and may nothing else."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from secrets import token_urlsafe
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError, ProbableAuthenticationError
from aiormq.exceptions import ChannelAccessRefused

from chassis.broker import Broker, IncomingMessage, Publication, RabbitBroker, Timing, Topology
from contracts.services import API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE
from contracts.topology import (
    EXCHANGE,
    FAILED_QUEUE,
    STATUS_KEY,
    STATUS_QUEUE,
    gateway_topology,
    queue_of,
    queues_of,
    routing_key_of,
    worker_topology,
)
from testkit.eventually import eventually
from testkit.servers.rabbitmq import RabbitServer
from tests.deploy.compose import FOLDERS, ROOT, base

ADMINISTRATOR = "notifications"
USERS = (API_GATEWAY, EMAIL_SERVICE, PUSH_SERVICE)
CHANNELS = {EMAIL_SERVICE: "email", PUSH_SERVICE: "push"}
PASSWORDS = {user: token_urlsafe(32) for user in (*USERS, ADMINISTRATOR)}
FORMER_PASSWORD = "its-old-password"
QUICK = Timing(watchdog=0.2, longest_backoff=0.3)
WITHIN = 30.0
SHARDS = 2


def variable(user: str) -> str:
    return "RABBITMQ_PASSWORD" if user == ADMINISTRATOR else f"{user.upper().replace('-', '_')}_RABBITMQ_PASSWORD"


def definitions(**changed: str) -> str:
    passwords = {variable(user): password for user, password in PASSWORDS.items()}
    script = ["bash", str(ROOT / "deploy/rabbitmq/definitions.sh")]
    environment = {**os.environ, **passwords, **changed}
    return subprocess.run(script, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """As compose starts it, on the data of an installation that had one user for all."""
    if os.environ.get("CI") != "true":
        pytest.skip("a RabbitMQ of its own is started in CI only")
    folder = tmp_path_factory.mktemp("rabbitmq")
    config: list[str] = []
    made = RabbitServer(folder / "server", config=config)
    try:
        made.start()
        made.control("add_user", ADMINISTRATOR, FORMER_PASSWORD)
        made.stop()
        (folder / "definitions.json").write_text(definitions())
        config.append(f"load_definitions = {folder}/definitions.json")
        made.start()
        yield made
    finally:
        made.stop()
        made.clean_up()


def url(server: RabbitServer, user: str, password: str | None = None) -> str:
    return f"amqp://{user}:{password or PASSWORDS[user]}@127.0.0.1:{server.port}/"


def topology(user: str) -> Topology:
    return gateway_topology(SHARDS) if user == API_GATEWAY else worker_topology(CHANNELS[user], SHARDS)


@asynccontextmanager
async def running(server: RabbitServer, user: str) -> AsyncIterator[RabbitBroker]:
    made = RabbitBroker(url(server, user), topology(user), name=user, timing=QUICK)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def brokers(server: RabbitServer) -> AsyncIterator[dict[str, RabbitBroker]]:
    """All of them up; the workers began before the gateway, which declares their queues."""
    async with (
        running(server, EMAIL_SERVICE) as email,
        running(server, PUSH_SERVICE) as push,
        running(server, API_GATEWAY) as gateway,
    ):
        made = {API_GATEWAY: gateway, EMAIL_SERVICE: email, PUSH_SERVICE: push}
        for broker in made.values():
            assert await broker.wait_connected(WITHIN)
        yield made


@asynccontextmanager
async def channel_of(server: RabbitServer, user: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(url(server, user))
    try:
        yield await connection.channel()
    finally:
        await connection.close()


async def taken(broker: Broker, queue: str) -> str:
    """The id of the queue's next message."""
    arrived: asyncio.Queue[str] = asyncio.Queue()

    async def keep(incoming: IncomingMessage) -> None:
        await incoming.ack()
        arrived.put_nowait(incoming.message_id)

    consumer = await broker.consume(queue, keep, prefetch=1)
    try:
        async with asyncio.timeout(WITHIN):
            return await arrived.get()
    finally:
        await consumer.close()


async def published(broker: Broker, routing_key: str) -> str:
    """Its id, once it is confirmed."""
    message_id = str(uuid4())
    await eventually(
        lambda: broker.publish_many([Publication(routing_key, b"{}", message_id)]),
        WITHIN,
        until=lambda found: found == [None],
    )
    return message_id


@pytest.mark.parametrize("user", CHANNELS)
@pytest.mark.parametrize("priority", [1, 10])
async def test_a_service_does_its_work_with_its_own_user(
    brokers: dict[str, RabbitBroker], user: str, priority: int
) -> None:
    gateway, worker, channel = brokers[API_GATEWAY], brokers[user], CHANNELS[user]
    key, queue = routing_key_of(channel, priority), queue_of(channel, priority)
    for publisher in (gateway, worker):  # a new one, and a retry
        sent = await published(publisher, key)
        assert await taken(worker, queue) == sent
    assert (await worker.depth(queue)).ready == 0
    sent = await published(worker, STATUS_KEY)
    assert await taken(gateway, STATUS_QUEUE) == sent
    for broker in (gateway, worker):
        await broker.ping()
    assert (await gateway.depth(FAILED_QUEUE)).ready == 0


@pytest.mark.parametrize("user", CHANNELS)
async def test_its_rights_reach_to_every_shard(brokers: dict[str, RabbitBroker], user: str) -> None:
    worker, channel = brokers[user], CHANNELS[user]
    for publisher in (brokers[API_GATEWAY], worker):
        sent = await published(publisher, f"{channel}.1")
        assert await taken(worker, f"{channel}.queue.1") == sent


async def test_what_a_worker_rejects_is_set_aside(brokers: dict[str, RabbitBroker]) -> None:
    """RabbitMQ moves it: the worker itself may not write there."""

    async def refuse(incoming: IncomingMessage) -> None:
        await incoming.reject()

    consumer = await brokers[PUSH_SERVICE].consume("push.queue", refuse, prefetch=1)
    sent = await published(brokers[API_GATEWAY], "push")
    assert await taken(brokers[API_GATEWAY], FAILED_QUEUE) == sent
    await consumer.close()


async def test_queues_that_are_gone_come_back(brokers: dict[str, RabbitBroker], server: RabbitServer) -> None:
    gateway, worker = brokers[API_GATEWAY], brokers[PUSH_SERVICE]
    async with channel_of(server, ADMINISTRATOR) as channel:
        for queue in (*queues_of("push"), STATUS_QUEUE):
            await channel.queue_delete(queue)
    for key, reader, queue in ((STATUS_KEY, gateway, STATUS_QUEUE), ("push.urgent", worker, "push.urgent.queue")):
        sent = await published(worker, key)
        assert await taken(reader, queue) == sent


Deed = Callable[[AbstractChannel, str], Awaitable[object]]


async def read(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).get(fail=False)


async def declare(channel: AbstractChannel, queue: str) -> None:
    await channel.declare_queue(queue, durable=True)


async def delete(channel: AbstractChannel, queue: str) -> None:
    await channel.queue_delete(queue)


async def publish(channel: AbstractChannel, exchange: str) -> None:
    target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    await target.publish(aio_pika.Message(b"{}"), "email.queue", mandatory=False)


async def bind(channel: AbstractChannel, queue_and_exchange: str) -> None:
    queue, _, exchange = queue_and_exchange.partition(" to ")
    await (await channel.get_queue(queue, ensure=False)).bind(exchange, "x")


async def is_refused(server: RabbitServer, user: str, deed: Deed, name: str) -> bool:
    """Whether the broker refuses it for want of a right; other errors are no refusal."""
    async with channel_of(server, user) as channel:
        try:
            await deed(channel, name)
        except ChannelAccessRefused:
            return True
        except AMQPError:
            return False
    return False


EMAIL, PUSH = queues_of("email"), queues_of("push")
FORBIDDEN: list[tuple[Deed, str]] = [
    *((read, queue) for queue in (*EMAIL, STATUS_QUEUE, FAILED_QUEUE)),
    *((declare, queue) for queue in (*EMAIL, *PUSH, STATUS_QUEUE, "another.queue")),
    *((delete, queue) for queue in (*EMAIL, *PUSH, STATUS_QUEUE, FAILED_QUEUE)),
    *((publish, exchange) for exchange in (EXCHANGE, "email.direct", "", "amq.topic")),
    *((bind, f"{queue} to push.direct") for queue in (*EMAIL, FAILED_QUEUE)),
    (bind, f"push.queue to {EXCHANGE}"),
]


@pytest.mark.parametrize(("deed", "name"), FORBIDDEN)
@pytest.mark.usefixtures("brokers")
async def test_the_push_service_may_nothing_else(server: RabbitServer, deed: Deed, name: str) -> None:
    assert await is_refused(server, PUSH_SERVICE, deed, name)
    assert not await is_refused(server, ADMINISTRATOR, deed, name)


async def test_passwords_are_those_of_the_environment(server: RabbitServer) -> None:
    for user in (*USERS, ADMINISTRATOR):
        await (await aio_pika.connect(url(server, user))).close()
        with pytest.raises(ProbableAuthenticationError):
            await aio_pika.connect(url(server, user, FORMER_PASSWORD))


async def test_definitions_can_be_given_to_a_running_server(server: RabbitServer) -> None:
    """As on Kubernetes: another password replaces the one before."""
    another = token_urlsafe(32)
    for given, password in (({variable(PUSH_SERVICE): another}, another), ({}, PASSWORDS[PUSH_SERVICE])):
        server.control("import_definitions", given=definitions(**given))
        await (await aio_pika.connect(url(server, PUSH_SERVICE, password))).close()


def test_permissions_name_what_there_is_and_nothing_like_it() -> None:
    """A dot in a pattern is a dot; a pattern is for the whole name."""
    exchanges = {EXCHANGE, *(worker_topology(channel).exchange for channel in CHANNELS.values())}
    everything = exchanges | {spec.name for spec in gateway_topology(SHARDS).queues} | {"email.urgent.queue.1"}
    alike = {other for name in everything for other in (name.replace(".", "x"), f"{name}-2", f"x{name}")}
    permissions = {each["user"]: each for each in json.loads(definitions())["permissions"]}
    assert permissions.keys() == {*USERS, ADMINISTRATOR}
    for user in USERS:
        own = topology(user)
        write = {own.exchange, *(spec.name for spec in (*own.queues, *own.bound))}
        configure = {own.exchange, *(spec.name for spec in own.queues)}
        read = write if own.queues else write - {STATUS_QUEUE}
        for right, names in (("configure", configure), ("write", write), ("read", read)):
            assert {one for one in everything | alike if re.search(permissions[user][right], one)} == names, (
                user,
                right,
            )


def test_without_an_administrator_s_password_there_is_none() -> None:
    """On Kubernetes the operator makes its own."""
    users = json.loads(definitions(RABBITMQ_PASSWORD=""))["users"]
    assert [user["name"] for user in users] == list(USERS)
    assert all(user["tags"] == [] for user in users)


@pytest.mark.parametrize("user", USERS)
def test_a_user_without_a_password_is_none(user: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        definitions(**{variable(user): ""})
    assert variable(user) in failed.value.stderr


def test_compose_gives_each_service_its_own_user() -> None:
    for user in USERS:
        [environment] = [base()[name]["environment"] for name, folder in FOLDERS.items() if folder == user]
        assert environment["RABBITMQ_URL"] == f"amqp://{user}:${{{variable(user)}:?run make env}}@rabbitmq:5672/"
    assert set(base()["rabbitmq-users"]["environment"]) == {variable(user) for user in (*USERS, ADMINISTRATOR)}

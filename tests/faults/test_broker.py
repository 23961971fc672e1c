"""RabbitMQ killed, stopped, short of memory, robbed of a queue or a binding, and fed poison (faults 11 to 15, 18, 28)."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from uuid import uuid4

import aio_pika
import httpx2
import orjson
from aio_pika.abc import AbstractChannel
from aiormq.abc import ChannelFrame
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from yarl import URL

from chassis.broker.rabbit.connection import TolerantTransport
from contracts.topology import EXCHANGE, FAILED_QUEUE
from testkit.eventually import eventually
from tests.faults.lab import QUICK, WHOLE, Lab, steadily

T = TypeVar("T")
QUEUE, KEY = "email.queue", "email"
LEASE_SECONDS, LOST_GRACE_SECONDS = float(QUICK["LEASE_SECONDS"]), float(QUICK["LOST_GRACE_SECONDS"])
BACKLOG = 10_000 if WHOLE else 1_000
CLOSING_SECONDS = 40 if WHOLE else 10
STANDING, STANDING_SECONDS = (100_000, 600) if WHOLE else (1_000, 180)
UNDECODABLE = b"\xff\xfe\xfd\xfc"  # no UTF-8


def test_11_rabbitmq_killed_with_a_backlog(lab: Lab) -> None:
    user = lab.user()
    lab.system.stop_service("email-service")
    ids = lab.batch(user, BACKLOG, priority=1)
    until_queued(lab, ids)
    waiting = ready(lab)
    assert waiting >= BACKLOG
    lab.rabbit.kill()
    lab.rabbit.start()
    assert ready(lab) == waiting
    lab.start_again("email-service")
    lab.prove(11, f"RabbitMQ killed with {BACKLOG:,} queued, then restarted", ids, seconds=180)


def test_12_rabbitmq_down_for_longer_than_a_lease(lab: Lab) -> None:
    user = lab.user()
    with rabbit_down(lab):
        ids = lab.batch(user, 100)
        lab.until(lambda: youngest(lab, ids, "created_at") > LEASE_SECONDS, "every lease has run out")
        ids += lab.batch(user, 100)
        assert set(lab.statuses(ids).values()) == {"pending"}
    lab.prove(12, "RabbitMQ down for longer than a lease", ids)


def test_13_a_binding_removed(lab: Lab) -> None:
    user = lab.user()
    ids: list[str] = []

    def noticed() -> bool:
        """The services declare the binding again every few seconds: try until a message meets the gap."""
        at_broker(lab, unbind)
        ids.append(lab.system.send("email", user))
        return log_of(lab, "api-gateway").count("broker.returned") > before

    before = log_of(lab, "api-gateway").count("broker.returned")
    lab.until(noticed, "the gateway noticed")
    lab.prove(13, "a queue's binding removed", ids)


def test_38_every_connection_closed_again_and_again(lab: Lab) -> None:
    lab.system.start_service("email-service", name="email-service-2")
    lab.system.wait_ready("email-service-2")
    slow, quick = lab.user(f"stall-1+{uuid4().hex}@example.com"), lab.user()
    ids: list[str] = []

    def round_of(number: int) -> None:
        ids.extend(lab.batch(slow, number) + lab.batch(quick, number))
        lab.rabbit.control("close_all_connections", "a test")

    steadily(lambda: round_of(20), seconds=CLOSING_SECONDS, every=1.0)
    lab.until_ended(ids, seconds=120)
    lab.prove(38, "every AMQP connection closed again and again", ids, ambiguous=lab.ambiguous(ids))
    assert not [name for name in ("email-service", "email-service-2") if "deadlock" in log_of(lab, name)]


def test_14_a_memory_alarm(lab: Lab) -> None:
    user = lab.user()
    lab.freeze("email-service")
    queued = lab.batch(user, 30)
    until_queued(lab, queued)
    with memory_alarm(lab):
        waiting = lab.batch(user, 100)
        lab.until(lambda: rabbitmq_as_seen_by(lab, "api-gateway") == "down", "the gateway knows that it is blocked")
        lab.thaw_all()
        lab.until(lambda: all(lab.copies()[one] for one in queued), "what was queued goes out under the alarm")
        waiting += lab.batch(user, 100)
        assert set(lab.statuses(waiting).values()) == {"pending"}
    lab.prove(14, "memory alarm: publishing pauses, accepting and consuming go on", queued + waiting)


def test_15_a_queue_deleted_while_in_use(lab: Lab) -> None:
    user = lab.user()
    lab.provider(smtp="stall")
    ids = lab.batch(user, 300)
    until_queued(lab, ids)
    lost, redriven = ready(lab), metric(lab, "outbox_redriven_total")
    assert lost > 0
    at_broker(lab, delete)
    lab.until(lambda: consumers(lab) > 0, "the consumer is back")
    lab.provider()
    lab.prove(15, "a queue deleted with messages in it and in hand", ids)
    assert metric(lab, "outbox_redriven_total") >= redriven + lost


def test_18_poison_goes_to_the_failed_queue_once(lab: Lab) -> None:
    user = lab.user()
    lab.system.stop_service("email-service")
    newer = lab.system.send("email", user)
    until_queued(lab, [newer])
    original = at_broker(lab, lambda channel: take(channel, newer))
    poison = [
        f'{{"not json": {uuid4()}'.encode(),
        orjson.dumps({**orjson.loads(original), "version": 9}),
        f"unmarshalable header {uuid4()}".encode(),
    ]
    neighbours = lab.batch(user, 10)
    at_broker(lab, lambda channel: put(channel, poison[0], message_id=str(uuid4())))
    at_broker(lab, lambda channel: put(channel, poison[1], message_id=newer))
    at_broker(lab, lambda channel: put_undecodable(channel, poison[2]))
    neighbours += lab.batch(user, 10)
    lab.start_again("email-service")
    lab.prove(18, "poison: bad JSON, unknown version, unmarshalable header", [newer, *neighbours], not_taken=[newer])
    assert (lab.status(newer), lab.detail(newer)["error"]) == ("failed", "unreadable")
    lab.until(lambda: set(poison) <= set(at_broker(lab, bodies_of_failed)), "all poison is in failed.queue")
    lab.until(lambda: ready(lab) == 0, "nothing is left behind")
    failed = Counter(at_broker(lab, bodies_of_failed))
    assert [failed[one] for one in poison] == [1, 1, 1]


def test_28_a_standing_backlog_is_not_published_again(lab: Lab) -> None:
    user = lab.user()
    lab.system.stop_service("email-service")
    ids = lab.batch(user, STANDING, priority=1)
    until_queued(lab, ids, STANDING_SECONDS)
    waiting, redriven = ready(lab), metric(lab, "outbox_redriven_total")
    assert waiting >= len(ids)
    lab.until(lambda: youngest(lab, ids[-1:], "created_at") > 3 * LOST_GRACE_SECONDS, "it stands for three graces")
    assert ready(lab) == waiting
    assert metric(lab, "outbox_redriven_total") == redriven
    lab.start_again("email-service")
    lab.prove(28, f"a backlog of {len(ids):,} standing for three times the grace", ids, seconds=STANDING_SECONDS)


# The broker, from the side.


def at_broker(lab: Lab, work: Callable[[AbstractChannel], Awaitable[T]]) -> T:
    """Over a connection that reads what the client library by itself would break off at."""

    async def run() -> T:
        connection = aio_pika.Connection(URL(lab.rabbit.url))
        connection.kwargs["transport_factory"] = TolerantTransport()
        await connection.connect()
        try:
            async with connection.channel() as channel:
                return await work(channel)
        finally:
            await connection.close()

    return asyncio.run(run())


async def unbind(channel: AbstractChannel) -> None:
    queue = await channel.get_queue(QUEUE, ensure=False)
    await queue.unbind(EXCHANGE, KEY)


async def delete(channel: AbstractChannel) -> None:
    await channel.queue_delete(QUEUE)


async def take(channel: AbstractChannel, message_id: str) -> bytes:
    """Out of the queue; others are given back by not being acknowledged."""
    queue = await channel.get_queue(QUEUE)
    while (message := await queue.get(fail=False)) is not None:
        if message.message_id == message_id:
            await message.ack()
            return message.body
    raise LookupError(message_id)


async def put(channel: AbstractChannel, body: bytes, *, message_id: str) -> None:
    exchange = await channel.get_exchange(EXCHANGE)
    await exchange.publish(aio_pika.Message(body, message_id=message_id, priority=5), KEY)


async def put_undecodable(channel: AbstractChannel, body: bytes) -> None:
    """No client writes such a header: its frames are put together by hand."""
    inner: Any = await channel.get_underlay_channel()
    properties = commands.Basic.Properties(correlation_id="MARK", priority=5, delivery_mode=2)
    header = frame.marshal(ContentHeader(body_size=len(body), properties=properties), inner.number)
    frames = [
        frame.marshal(commands.Basic.Publish(exchange=EXCHANGE, routing_key=KEY), inner.number),
        header.replace(b"MARK", UNDECODABLE),
        frame.marshal(ContentBody(body), inner.number),
    ]
    before = (await channel.declare_queue(QUEUE, passive=True)).declaration_result.message_count or 0
    await inner.write_queue.put(ChannelFrame(payload=b"".join(frames), should_close=False))
    await eventually(
        lambda: channel.declare_queue(QUEUE, passive=True),
        20,
        until=lambda found: found.declaration_result.message_count != before,
    )


async def bodies_of_failed(channel: AbstractChannel) -> list[bytes]:
    """All of them, given back by not being acknowledged."""
    queue = await channel.get_queue(FAILED_QUEUE)
    bodies = []
    while (message := await queue.get(fail=False)) is not None:
        bodies.append(message.body)
    return bodies


def ready(lab: Lab) -> int:
    return at_broker(lab, _depth)[0]


def consumers(lab: Lab) -> int:
    """0 as well while the queue is not there."""
    try:
        return at_broker(lab, _depth)[1]
    except aio_pika.exceptions.ChannelNotFoundEntity:
        return 0


async def _depth(channel: AbstractChannel) -> tuple[int, int]:
    found = (await channel.declare_queue(QUEUE, passive=True)).declaration_result
    return found.message_count or 0, found.consumer_count or 0


@contextlib.contextmanager
def rabbit_down(lab: Lab) -> Iterator[None]:
    lab.rabbit.stop()
    try:
        yield
    finally:
        lab.rabbit.start()


@contextlib.contextmanager
def memory_alarm(lab: Lab) -> Iterator[None]:
    lab.rabbit.control("set_vm_memory_high_watermark", "0.0001")
    try:
        yield
    finally:
        lab.rabbit.control("set_vm_memory_high_watermark", "0.4")


# The system, as it sees the broker.


def until_queued(lab: Lab, ids: list[str], seconds: float = 60) -> None:
    lab.until_all(ids, {"queued"}, seconds)


def youngest(lab: Lab, ids: list[str], column: str) -> float:
    """Seconds since the last of these times, on the database's clock."""
    statement = f"SELECT extract(epoch FROM now() - max({column})) AS age FROM notifications WHERE id = ANY($1::uuid[])"
    return float(lab.sql("api-gateway", statement, ids)[0]["age"])


def log_of(lab: Lab, service: str) -> str:
    return (lab.system.folder / f"{service}.log").read_text(errors="replace")


def rabbitmq_as_seen_by(lab: Lab, service: str) -> str:
    found = httpx2.get(f"http://127.0.0.1:{lab.system.ports[service]}/health", trust_env=False).json()
    return str(found["data"]["dependencies"]["rabbitmq"]["status"])


def metric(lab: Lab, name: str) -> float:
    text = lab.system.http.get(f"{lab.system.gateway}/metrics").text
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))

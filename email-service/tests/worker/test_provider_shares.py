"""`weight`, `connections` and `per_second` of a block, counted by the mail servers themselves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from secrets import token_hex

import pytest

from devstack.simulators.magic import Faults
from devstack.simulators.smtp import SmtpSimulator
from devstack.simulators.smtp_handler import SmtpHandler
from devstack.simulators.store import Inbox
from devstack.simulators.webhooks import Webhooks
from email_service.senders.smtp.provider import SmtpProvider
from testkit.eventually import eventually


@dataclass
class Counting(SmtpHandler):
    """A mail server that knows when each mail came, and how many dialogues it had at once. While `gate` is not set no
    dialogue ends.
    """

    came_at: list[float] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        super().__init__(Inbox(), Faults(), Webhooks())

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.came_at.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            return await super().handle_DATA(server, session, envelope)
        finally:
            self.at_once -= 1


@dataclass
class Server:
    handler: Counting
    simulator: SmtpSimulator

    def block(self, **limits: object) -> SmtpProvider:
        return SmtpProvider(host="127.0.0.1", port=self.simulator.port, **limits)

    @property
    def number(self) -> int:
        return len(self.handler.came_at)


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Server, Server]]:
    made = []
    for _ in range(2):
        handler = Counting()
        made.append(Server(handler, SmtpSimulator(Inbox(), handler=handler)))
        await made[-1].simulator.start()
    yield made[0], made[1]
    for one in made:
        one.handler.gate.set()
        await one.simulator.close()


async def publish(world, message, lookups, number: int) -> list[object]:
    sent = [message(lookups.add_user(f"{token_hex(8)}@example.com")) for _ in range(number)]
    await world.publish(*sent)
    return [one.notification_id for one in sent]


async def all_sent(world, ids) -> None:
    await eventually(lambda: all(world.statuses(one)[-1:] == ["sent"] for one in ids))


async def test_two_servers_get_mails_in_the_ratio_of_their_weights(world, message, lookups, servers):
    """400 mails at 3 to 1: 300 and 100, with a standard deviation of 8.7. Six of them are missed once in 500 million runs."""
    heavy, light = servers
    blocks = {"heavy": heavy.block(weight=3), "light": light.block()}
    async with world.worker(email_providers=blocks, email_domain_throttle=False):
        ids = await publish(world, message, lookups, 400)
        await all_sent(world, ids)
    assert heavy.number + light.number == 400, "each went to one of them, once"
    assert 248 <= heavy.number <= 352, heavy.number
    by_provider = [world.last(one).provider for one in ids]
    assert (by_provider.count("heavy"), by_provider.count("light")) == (heavy.number, light.number)


async def test_a_server_has_no_more_connections_than_it_allows_and_the_other_gets_the_rest(
    world, message, lookups, servers
):
    few, rest = servers
    few.handler.gate.clear()
    blocks = {"few": few.block(connections=3), "rest": rest.block(order=2)}
    async with world.worker(email_providers=blocks, email_domain_throttle=False):
        ids = await publish(world, message, lookups, 60)
        await eventually(lambda: few.handler.at_once == 3 and rest.number == 57)
        assert few.simulator.open_connections == 3
        few.handler.gate.set()
        await all_sent(world, ids)
    assert (few.number, few.handler.most_at_once) == (3, 3)


async def test_a_server_alone_gets_all_mails_over_the_connections_that_it_allows(world, message, lookups, servers):
    one, _ = servers
    one.handler.gate.clear()
    async with world.worker(email_providers={"one": one.block(connections=2)}, email_domain_throttle=False):
        ids = await publish(world, message, lookups, 30)
        await eventually(lambda: one.handler.at_once == 2)
        one.handler.gate.set()
        await all_sent(world, ids)
    assert (one.number, one.handler.most_at_once) == (30, 2)


async def test_a_server_gets_no_more_a_second_than_it_allows(world, message, lookups, servers):
    """At 20 a second the n-th mail comes (n - 1) / 20 seconds after the first at the earliest, by the server's own clock."""
    slow, _ = servers
    async with world.worker(email_providers={"slow": slow.block(per_second=20)}, email_domain_throttle=False):
        ids = await publish(world, message, lookups, 25)
        await all_sent(world, ids)
    times = sorted(slow.handler.came_at)
    assert len(times) == 25
    took = times[-1] - times[0]
    assert took >= 24 / 20 * 0.8, took  # a busy machine may hand the first one on late
    for first, last in zip(times, times[10:], strict=False):
        assert last - first >= 10 / 20 * 0.6, "no burst either"

"""failed.queue is bounded by time: by the policy that the broker's files and the runbook have, on a real RabbitMQ."""

import asyncio
import json
import os
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.broker import Broker, IncomingMessage, Publication
from chassis.broker.rabbit import RabbitBroker
from contracts.topology import FAILED_QUEUE, STATUS_KEY, STATUS_QUEUE, TOPOLOGY, queue_of, routing_key_of
from testkit.eventually import eventually
from testkit.servers.rabbitmq import RabbitServer
from tests.deploy.compose import ROOT
from tests.deploy.manifests import named

TWO_WEEKS = 14 * 24 * 60 * 60 * 1000
KEY = "default_policies.operator.failed."


def command_of_the_runbook() -> list[str]:
    (line,) = re.findall(r"rabbitmqctl (set_operator_policy .*)", (ROOT / "docs/operations/runbook.md").read_text())
    return shlex.split(line)


def policy_of(config: str) -> dict[str, str]:
    lines = [line.split(" = ") for line in config.splitlines() if line.startswith(KEY)]
    return {name.removeprefix(KEY): value for name, value in lines}


def test_compose_kubernetes_and_the_runbook_set_the_same_policy() -> None:
    _, _, pattern, definition, _, applied = command_of_the_runbook()
    expected = {
        "vhost_pattern": ".*",
        "queue_pattern": pattern,
        "apply_to": applied,
        "message_ttl": "14d",  # a file has to say the unit: RabbitMQ 4 does not start over a mere number
    }
    assert policy_of((ROOT / "deploy/rabbitmq/20-notifications.conf").read_text()) == expected
    assert policy_of(named("RabbitmqCluster", "rabbitmq")["spec"]["rabbitmq"]["additionalConfig"]) == expected
    assert json.loads(definition)["message-ttl"] == TWO_WEEKS
    assert [queue.name for queue in TOPOLOGY.queues if re.search(pattern, queue.name)] == [FAILED_QUEUE]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RabbitServer]:
    if os.environ.get("CI") != "true":
        pytest.skip("a RabbitMQ of its own is started in CI only")
    made = RabbitServer(tmp_path)
    await asyncio.to_thread(made.start)
    yield made
    await asyncio.to_thread(made.stop)
    made.clean_up()


async def _connected(server: RabbitServer) -> RabbitBroker:
    broker = RabbitBroker(server.url, TOPOLOGY, name="test")
    await broker.start()
    assert await broker.wait_connected(30)
    return broker


async def _reject(incoming: IncomingMessage) -> None:
    await incoming.reject()


async def _until(broker: Broker, queue: str, ready: int) -> None:
    async def holds() -> bool:
        return (await broker.depth(queue)).ready == ready

    await eventually(holds)


async def test_a_dead_letter_ends_when_its_time_is_over_and_nothing_else_does(server: RabbitServer) -> None:
    """On a broker whose queues are there, as an upgrade finds it. The time is shorter here, and set twice."""
    broker = await _connected(server)
    try:
        command = command_of_the_runbook()
        await asyncio.to_thread(server.control, *command)
        consumer = await broker.consume(queue_of("email", 1), _reject, prefetch=1)
        kept = Publication(STATUS_KEY, b"{}", message_id="1")
        failing = Publication(routing_key_of("email", 1), b"{}", message_id="2")
        assert await broker.publish_many([kept, failing]) == [None, None]
        await _until(broker, FAILED_QUEUE, 1)
        await asyncio.to_thread(server.control, "purge_queue", FAILED_QUEUE)
        await asyncio.to_thread(server.control, *(part.replace(str(TWO_WEEKS), "2000") for part in command))
        assert await broker.publish_many([failing]) == [None]
        await _until(broker, FAILED_QUEUE, 1)
        await _until(broker, FAILED_QUEUE, 0)
        assert (await broker.depth(STATUS_QUEUE)).ready == 1
        await consumer.close()
    finally:
        await broker.close()
    again = await _connected(server)  # the queue is declared as ever: a policy is no argument of it
    await again.close()

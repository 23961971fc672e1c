"""Messages that have arrived in the socket are taken at once, also while the event loop is busy."""

import asyncio

from testkit.eventually import eventually, other_tasks, pause

MESSAGES = 120
FEW_TURNS = 10


async def test_messages_that_arrived_while_the_loop_was_busy_are_delivered_in_a_few_turns(rabbit, topology, message):
    """With three messages per turn, an urgent message would wait behind the rest of the prefetch."""
    began: list[bytes] = []
    first = asyncio.Event()

    async def handle(incoming):
        began.append(incoming.body)
        if len(began) == 1:
            pause(0.5)  # a busy loop: meanwhile all other messages arrive in the socket
            first.set()
        await other_tasks()
        await incoming.ack()

    async with rabbit() as broker:
        await broker.publish_many([message(b"%d" % number) for number in range(MESSAGES)])
        consumer = await broker.consume(topology.queues[0].name, handle, prefetch=2 * MESSAGES)
        async with asyncio.timeout(15):
            await first.wait()
            await other_tasks(FEW_TURNS)
            came = len(began)
            await eventually(lambda: len(began) == MESSAGES)
        await consumer.close()
    assert came > MESSAGES / 2

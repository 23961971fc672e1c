"""The contract that both brokers keep."""

import asyncio

import pytest

from chassis.broker import Publication, PublishFailed, Unroutable
from testkit.eventually import other_tasks


async def depth_is(broker, queue, **wanted):
    depth = await broker.depth(queue)
    return all(getattr(depth, name) == value for name, value in wanted.items())


@pytest.fixture
def work(topology):
    return topology.queues[0].name


@pytest.fixture
def failed(topology):
    return topology.queues[1].name


async def test_a_message_arrives_with_everything_it_was_published_with(broker, inbox, work):
    box = inbox("ack")
    await broker.consume(work, box, prefetch=10)
    published = Publication("work", b'{"a": 1}', "id-1", "correlation-1", 7, {"traceparent": "00-a-b-01"})
    assert await broker.publish_many([published]) == [None]
    got = await box.next()
    assert (got.body, got.message_id, got.correlation_id, got.priority) == (b'{"a": 1}', "id-1", "correlation-1", 7)
    assert got.headers == {"traceparent": "00-a-b-01"}
    assert (got.routing_key, got.redelivered) == ("work", False)


async def test_optional_properties_arrive_empty(broker, inbox, work):
    box = inbox("ack")
    await broker.consume(work, box, prefetch=10)
    assert await broker.publish_many([Publication("work", b"", "id-1")]) == [None]
    got = await box.next()
    assert (got.body, got.correlation_id, got.priority, dict(got.headers)) == (b"", "", 0, {})


async def test_a_large_message_arrives_whole(broker, inbox, work, message):
    box = inbox("ack")
    await broker.consume(work, box, prefetch=10)
    body = bytes(range(256)) * 2000
    assert await broker.publish_many([message(body), message(b"after")]) == [None, None]
    assert await box.bodies(2) == [body, b"after"]


async def test_publishing_nothing_is_fine(broker):
    assert await broker.publish_many([]) == []


async def test_higher_priorities_come_first_and_equal_ones_in_order(broker, inbox, work, message):
    priorities = [1, 10, 5, 10, 1, 5]
    await broker.publish_many([message(b"%d-%d" % (p, n), priority=p) for n, p in enumerate(priorities)])
    box = inbox("ack")
    await broker.consume(work, box, prefetch=1)
    assert await box.bodies(6) == [b"10-1", b"10-3", b"5-2", b"5-5", b"1-0", b"1-4"]


async def test_priorities_above_the_queues_highest_count_as_the_highest(broker, inbox, work, message):
    await broker.publish_many([message(b"ten", priority=10), message(b"eleven", priority=11)])
    box = inbox("ack")
    await broker.consume(work, box, prefetch=1)
    assert await box.bodies(2) == [b"ten", b"eleven"]


async def test_a_queue_without_priorities_is_first_in_first_out(broker, inbox, failed, message):
    await broker.publish_many([message(b"low", "failed", priority=1), message(b"high", "failed", priority=9)])
    box = inbox("ack")
    await broker.consume(failed, box, prefetch=1)
    assert await box.bodies(2) == [b"low", b"high"]


async def test_only_what_no_queue_is_bound_for_is_reported_as_unroutable(broker, work, message):
    outcomes = await broker.publish_many([message(), message(routing_key="nobody"), message()])
    assert isinstance(outcomes[1], Unroutable)
    assert outcomes[::2] == [None, None]
    assert (await broker.depth(work)).ready == 2


async def test_a_publication_without_an_id_fails_alone(broker, work, message):
    outcomes = await broker.publish_many([message(), message(message_id=""), message()])
    assert isinstance(outcomes[1], PublishFailed)
    assert outcomes[::2] == [None, None]
    assert (await broker.depth(work)).ready == 2


async def test_the_same_id_twice_in_one_call_is_published_twice(broker, work, message):
    assert await broker.publish_many([message(message_id="same")] * 3) == [None] * 3
    assert (await broker.depth(work)).ready == 3


async def test_a_returned_message_is_found_among_two_with_the_same_id(broker, message):
    pair = [message(routing_key="nobody", message_id="same"), message(message_id="same")]
    outcomes = await broker.publish_many(pair)
    assert isinstance(outcomes[0], Unroutable)
    assert outcomes[1] is None


async def test_calls_may_overlap(broker, work, message):
    calls = (
        broker.publish_many([message(message_id=f"{n % 3}"), message(), message(routing_key="no")]) for n in range(8)
    )
    for outcomes in await asyncio.gather(*calls):
        assert outcomes[:2] == [None, None]
        assert isinstance(outcomes[2], Unroutable)
    assert (await broker.depth(work)).ready == 16


async def test_a_rejected_message_goes_to_the_dead_letters_and_says_where_it_died(broker, inbox, work, failed, message):
    await broker.consume(work, inbox("reject"), prefetch=10)
    dead = inbox("ack")
    await broker.consume(failed, dead, prefetch=10)
    await broker.publish_many([message(b"poison", message_id="p", correlation_id="c", priority=4, headers={"k": "v"})])
    got = await dead.next()
    assert (got.body, got.message_id, got.correlation_id, got.priority) == (b"poison", "p", "c", 4)
    assert (got.routing_key, got.redelivered) == ("failed", False)
    assert got.headers["k"] == "v"
    assert (got.headers["x-first-death-queue"], got.headers["x-first-death-reason"]) == (work, "rejected")


async def test_a_rejected_message_is_dropped_where_there_is_no_dead_letter_key(
    broker, inbox, failed, message, eventually
):
    box = inbox("reject")
    consumer = await broker.consume(failed, box, prefetch=10)
    await broker.publish_many([message(routing_key="failed")])
    await box.next()
    await consumer.close()
    await eventually(lambda: depth_is(broker, failed, ready=0))


async def test_a_requeued_message_comes_again_and_says_so(broker, inbox, work, message):
    box = inbox("requeue")
    await broker.consume(work, box, prefetch=1)
    await broker.publish_many([message(b"again")])
    first = await box.next()
    box.verb = "ack"
    second = await box.next()
    assert (first.redelivered, second.redelivered) == (False, True)
    assert first.message_id == second.message_id


async def test_a_requeued_message_keeps_its_place(broker, inbox, work, message):
    await broker.publish_many([message(b"first"), message(b"second")])
    box = inbox()
    await broker.consume(work, box, prefetch=1)
    held = await box.next()
    box.verb = "ack"
    await held.requeue()
    assert await box.bodies(2) == [b"first", b"second"]


async def test_only_the_first_verb_counts(broker, inbox, work, failed, message):
    box = inbox()
    await broker.consume(work, box, prefetch=1)
    await broker.publish_many([message(b"one"), message(b"two")])
    one = await box.next()
    await one.ack()
    await one.reject()
    await one.requeue()
    two = await box.next()
    assert (two.body, two.redelivered) == (b"two", False)
    await two.ack()
    await broker.publish_many([message(b"three")])
    assert (await box.next()).body == b"three"
    assert (await broker.depth(failed)).ready == 0


async def test_no_more_is_in_hand_than_the_prefetch_allows(broker, inbox, work, message, eventually):
    box = inbox()
    await broker.consume(work, box, prefetch=3)
    await broker.publish_many([message(b"%d" % n) for n in range(10)])
    held = [await box.next() for _ in range(3)]
    await eventually(lambda: depth_is(broker, work, ready=7))
    assert len(box.deliveries) == 3
    await held[1].ack()
    assert (await box.next()).body == b"3"
    await eventually(lambda: depth_is(broker, work, ready=6))
    assert len(box.deliveries) == 4


async def test_two_consumers_share_a_queue(broker, inbox, work, message):
    boxes = [inbox(), inbox()]
    for box in boxes:
        await broker.consume(work, box, prefetch=5)
    await broker.publish_many([message(b"%d" % n) for n in range(10)])
    got = [await box.bodies(5) for box in boxes]
    assert sorted(got[0] + got[1]) == [b"%d" % n for n in range(10)]


async def test_a_slow_handler_does_not_hold_up_its_neighbours(broker, work, message):
    slow, quick = asyncio.Event(), asyncio.Event()

    async def handle(incoming):
        if incoming.body == b"slow":
            await slow.wait()
        else:
            quick.set()
        await incoming.ack()

    consumer = await broker.consume(work, handle, prefetch=2)
    await broker.publish_many([message(b"slow"), message(b"quick")])
    async with asyncio.timeout(10):
        await quick.wait()
    slow.set()
    await consumer.close()
    assert (await broker.depth(work)).ready == 0


async def test_a_paused_consumer_takes_nothing_until_it_resumes(broker, inbox, work, message, eventually):
    box = inbox("ack")
    consumer = await broker.consume(work, box, prefetch=10)
    await consumer.pause()
    await broker.publish_many([message(b"late")])
    assert (await broker.depth(work)).ready == 1
    assert box.deliveries == []
    await consumer.resume()
    assert (await box.next()).body == b"late"


async def test_what_is_in_hand_can_be_settled_while_paused(broker, inbox, work, message, eventually):
    box = inbox()
    consumer = await broker.consume(work, box, prefetch=10)
    await broker.publish_many([message(b"in hand")])
    held = await box.next()
    await consumer.pause()
    await held.ack()
    await consumer.resume()
    await consumer.close()
    await eventually(lambda: depth_is(broker, work, ready=0, consumers=0))


async def test_closing_gives_back_what_was_not_settled(broker, inbox, work, message, eventually):
    box = inbox()
    consumer = await broker.consume(work, box, prefetch=10)
    await broker.publish_many([message(b"kept")])
    await box.next()
    await consumer.close()
    await eventually(lambda: depth_is(broker, work, ready=1, consumers=0))
    again = inbox("ack")
    await broker.consume(work, again, prefetch=10)
    assert (await again.next()).redelivered


async def test_closing_waits_for_the_handlers_in_flight(broker, work, message):
    started, release = asyncio.Event(), asyncio.Event()

    async def handle(incoming):
        started.set()
        await release.wait()
        await incoming.ack()

    consumer = await broker.consume(work, handle, prefetch=10)
    await broker.publish_many([message()])
    await started.wait()
    closing = asyncio.create_task(consumer.close(grace=10))
    await other_tasks()
    assert not closing.done()
    release.set()
    await closing
    assert (await broker.depth(work)).ready == 0


async def test_closing_cancels_a_handler_that_outlasts_the_grace_and_gives_its_message_back(
    broker, work, message, eventually
):
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(_):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    consumer = await broker.consume(work, handle, prefetch=10)
    await broker.publish_many([message()])
    await started.wait()
    await consumer.close(grace=0.05)
    assert cancelled.is_set()
    await eventually(lambda: depth_is(broker, work, ready=1))


async def test_settling_after_the_consumer_closed_does_nothing(broker, inbox, work, message, eventually):
    box = inbox()
    consumer = await broker.consume(work, box, prefetch=10)
    await broker.publish_many([message()])
    held = await box.next()
    await consumer.close()
    await held.ack()
    await held.reject()
    await held.requeue()
    await eventually(lambda: depth_is(broker, work, ready=1))


async def test_a_handler_that_raises_gets_the_message_again(broker, work, message, events):
    seen, done = [], asyncio.Event()

    async def handle(incoming):
        seen.append(incoming.redelivered)
        if len(seen) == 1:
            raise RuntimeError("a defect")
        await incoming.ack()
        done.set()

    await broker.consume(work, handle, prefetch=10)
    await broker.publish_many([message(message_id="unlucky")])
    async with asyncio.timeout(10):
        await done.wait()
    assert seen == [False, True]
    failure = next(event for event in events if event["event"] == "consumer.handler_failed")
    assert (failure["message_id"], failure["queue"], failure["exc_info"]) == ("unlucky", work, True)


async def test_a_handler_that_raises_after_it_settled_changes_nothing(broker, inbox, work, message):
    box = inbox("ack")

    async def handle(incoming):
        await box(incoming)
        raise RuntimeError("a defect")

    consumer = await broker.consume(work, handle, prefetch=10)
    await broker.publish_many([message(), message()])
    await box.bodies(2)
    await consumer.close()
    assert await depth_is(broker, work, ready=0, consumers=0)
    assert len(box.deliveries) == 2


async def test_depth_counts_messages_and_consumers(broker, inbox, work, message, eventually):
    await broker.publish_many([message() for _ in range(5)])
    assert await depth_is(broker, work, ready=5, consumers=0)
    await broker.consume(work, inbox(), prefetch=2)
    await eventually(lambda: depth_is(broker, work, ready=3, consumers=1))
    assert (await broker.depth(work)).unacked in {2, None}


async def test_the_depth_of_an_unknown_queue_is_unavailable_and_harms_nothing(broker, work):
    with pytest.raises(PublishFailed):
        await broker.depth("no such queue")
    assert (await broker.depth(work)).ready == 0


async def test_a_queue_outside_the_topology_cannot_be_consumed(broker, inbox):
    with pytest.raises(ValueError, match="no such queue"):
        await broker.consume("no such queue", inbox(), prefetch=1)


async def test_a_reachable_broker_answers_the_health_check(broker):
    await broker.ping()
    assert broker.connected
    assert await broker.wait_connected(0.1)

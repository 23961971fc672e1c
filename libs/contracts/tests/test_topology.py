"""Every priority of a channel has a queue, and every queue what keeps a message from being lost."""

import pytest

from contracts.topology import FAILED_KEY, HIGHEST_PRIORITY, TOPOLOGY, queue_of, queues_of, routing_key_of


@pytest.mark.parametrize("channel", ["email", "push"])
def test_each_priority_is_routed_to_a_work_queue_that_the_channels_workers_read(channel) -> None:
    for priority in range(1, HIGHEST_PRIORITY + 1):
        spec = TOPOLOGY.queue(queue_of(channel, priority))
        assert spec.routing_key == routing_key_of(channel, priority)
        assert (spec.max_priority, spec.dead_letter_routing_key) == (HIGHEST_PRIORITY, FAILED_KEY)
        assert spec.name in queues_of(channel)


@pytest.mark.parametrize(("priority", "queue"), [(1, "email.queue"), (7, "email.queue"), (8, "email.urgent.queue")])
def test_the_urgent_have_a_queue_of_their_own(priority, queue) -> None:
    assert queue_of("email", priority) == queue


def test_no_two_queues_share_a_routing_key() -> None:
    keys = [queue.routing_key for queue in TOPOLOGY.queues]
    assert len(set(keys)) == len(keys)

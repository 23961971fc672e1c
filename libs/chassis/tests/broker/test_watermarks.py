"""What a queue cannot hold any more, by what was consumed: of a queue in shards, only what every shard has passed."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from chassis.broker.sharded import shard_of
from chassis.broker.watermarks import ConsumedWatermarks

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def of_shard(wanted: int, shards: int) -> UUID:
    return next(one for one in iter(uuid4, None) if shard_of(str(one), shards) == wanted)


def test_one_later_message_proves_that_the_queue_has_passed_the_earlier_ones() -> None:
    watermarks = ConsumedWatermarks()
    for at in (LATER, NOW):
        watermarks.note_consumed("email", 5, at, uuid4())
    assert watermarks.by_priority("email") == {5: LATER}
    assert watermarks.by_priority("push") == {}


def test_of_a_queue_in_shards_the_slowest_one_counts() -> None:
    """Otherwise the backlog of a shard on a slow node would be published again and again."""
    watermarks = ConsumedWatermarks(2)
    watermarks.note_consumed("email", 5, LATER, of_shard(0, 2))
    assert watermarks.by_priority("email") == {}, "nothing is known of the other shard"
    watermarks.note_consumed("email", 5, NOW, of_shard(1, 2))
    assert watermarks.by_priority("email") == {5: NOW}


def test_a_priority_whose_queue_is_whole_needs_one_message_alone() -> None:
    watermarks = ConsumedWatermarks(3, whole=(8, 9, 10))
    watermarks.note_consumed("email", 9, NOW, uuid4())
    assert watermarks.by_priority("email") == {9: NOW}

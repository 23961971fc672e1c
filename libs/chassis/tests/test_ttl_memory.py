from chassis.process.ttl_memory import TtlMemory


def test_an_entry_leaves_after_its_time(clock):
    memory = TtlMemory(10, 5, clock)
    memory.put("a", 1)
    clock.advance(4.9)
    assert memory.get("a", None) == 1
    clock.advance(0.1)
    assert memory.get("a", None) is None
    assert len(memory) == 0


def test_reading_does_not_prolong_an_entry(clock):
    memory = TtlMemory(10, 5, clock)
    memory.put("a", 1)
    for _ in range(4):
        clock.advance(1.25)
        last = memory.get("a", None)
    assert last is None


def test_the_least_recently_used_leave_first(clock):
    memory = TtlMemory(2, 5, clock)
    memory.put("a", 1)
    memory.put("b", 2)
    memory.get("a", None)
    memory.put("c", 3)
    assert [memory.get(key, None) for key in "abc"] == [1, None, 3]


def test_none_can_be_remembered(clock):
    memory = TtlMemory(2, 5, clock)
    memory.put("a", None)
    assert memory.get("a", "missing") is None


def test_a_dropped_entry_is_gone_and_dropping_twice_is_fine(clock):
    memory = TtlMemory(2, 5, clock)
    memory.put("a", 1)
    memory.drop("a")
    memory.drop("a")
    assert memory.get("a", None) is None

from chassis.process.breaker import BUCKETS, SlidingWindow


def test_calls_older_than_the_window_do_not_count():
    window = SlidingWindow(10)
    window.record(100.0, failures=1)
    window.record(105.0, failures=0)
    assert (window.calls, window.failures) == (2, 1)
    window.expire(110.5)
    assert (window.calls, window.failures) == (1, 0)
    window.expire(10_000.0)
    assert (window.calls, window.failures) == (0, 0)


def test_a_window_that_is_used_for_long_counts_no_call_twice():
    window = SlidingWindow(10)
    for tick in range(1_000):
        window.record(tick * 0.5, failures=tick % 2)
    assert window.calls <= 20
    assert window.calls >= 20 * (BUCKETS - 1) / BUCKETS
    assert abs(window.failures - window.calls / 2) <= 1


def test_clear_starts_at_nothing():
    window = SlidingWindow(10)
    window.record(100.0, failures=1)
    window.clear()
    window.expire(105.0)
    assert (window.calls, window.failures) == (0, 0)

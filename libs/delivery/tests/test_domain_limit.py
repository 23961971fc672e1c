"""How a domain's limit falls and rises, by a clock that a test sets."""

import math
from itertools import pairwise

import pytest

from delivery.domain_limit import HEALTHY_SECONDS, MAX_PAUSE_SECONDS, PAUSE_AFTER, DomainLimit
from testkit.clock import Clock

CONCURRENCY, FIRST_PAUSE = 16, 5.0


class Sender:
    """Sends to one domain, and says how it went."""

    def __init__(self, clock: Clock, *, max_in_flight: float = math.inf) -> None:
        self.clock = clock
        self.limit = DomainLimit(max_in_flight=max_in_flight, recovered=CONCURRENCY, first_pause=FIRST_PAUSE)
        self._number = 0

    def begin(self, number: int = 1) -> list[float]:
        """When each of them began."""
        self.limit.in_flight += number
        return [self.clock()] * number

    def accepted(self, began: list[float]) -> None:
        for one in began:
            self.limit.note_accepted(began=one)
            self.limit.in_flight -= 1

    def refused(self, began: list[float], *, to: str | None = None, asked: float | None = None) -> list[bool]:
        """Which of them paused the domain. Each goes to another recipient, or all to one."""
        paused = []
        for one in began:
            self._number += 1
            paused.append(
                self.limit.note_refused(to or str(self._number), began=one, now=self.clock(), requested_pause=asked)
            )
            self.limit.in_flight -= 1
        return paused

    def one_after_another(self, number: int) -> None:
        for _ in range(number):
            self.clock.advance(1)
            self.accepted(self.begin())

    @property
    def at_once(self) -> float:
        return self.limit.at_once(self.clock())

    @property
    def pause(self) -> float:
        return self.limit.pause_left(self.clock())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender(clock: Clock) -> Sender:
    return Sender(clock)


def paused(sender: Sender) -> Sender:
    sender.clock.advance(1)
    sender.refused(sender.begin(PAUSE_AFTER))
    assert sender.pause > 0
    return sender


def test_there_is_no_limit_until_a_message_is_refused(sender: Sender) -> None:
    assert sender.at_once == math.inf
    sender.accepted(sender.begin(1_000))
    assert not sender.limit.is_throttled(sender.clock())


def test_a_refusal_halves_the_limit_once_for_all_messages_in_flight(sender: Sender, clock: Clock) -> None:
    together = sender.begin(40)
    clock.advance(1)
    sender.refused(together[:2])
    assert sender.at_once == 20
    sender.accepted(together[2:])
    assert sender.at_once == 20, "what was sent before the refusal says nothing new"
    clock.advance(1)
    later = sender.begin(20)
    clock.advance(1)
    sender.accepted(later[1:10])
    sender.refused(later[:1])
    assert sender.at_once < 11


def test_each_round_of_accepted_messages_adds_about_one_until_the_limit_ends(sender: Sender, clock: Clock) -> None:
    together = sender.begin(8)
    clock.advance(1)
    sender.refused(together[:1])
    sender.accepted(together[1:])
    limits = [sender.at_once]
    while sender.limit.is_throttled(clock()):
        sender.one_after_another(int(sender.at_once))
        limits.append(sender.at_once)
    assert limits[0] == 4
    assert all(0 <= after - before <= 1 for before, after in pairwise(limits[:-1]))
    assert CONCURRENCY - 4 <= len(limits) <= 2 * CONCURRENCY
    assert sender.at_once == math.inf


def test_several_recipients_in_a_row_pause_the_domain_and_the_probe_is_alone(sender: Sender, clock: Clock) -> None:
    together = sender.begin(40)
    clock.advance(1)
    assert sender.refused(together) == [number == PAUSE_AFTER - 1 for number in range(40)]
    assert sender.pause == FIRST_PAUSE
    assert not sender.limit.is_free(clock())
    clock.advance(FIRST_PAUSE)
    assert sender.limit.is_free(clock())
    sender.begin()
    assert not sender.limit.is_free(clock()), "one at a time"


def test_repeated_refusals_of_one_recipient_do_not_pause_the_domain(sender: Sender, clock: Clock) -> None:
    for _ in range(20):
        clock.advance(60)
        assert sender.refused(sender.begin(), to="the same") == [False]
    assert sender.at_once == 1


def test_an_accepted_message_in_between_restarts_the_count(sender: Sender, clock: Clock) -> None:
    for _ in range(20):
        clock.advance(1)
        sender.refused(sender.begin(PAUSE_AFTER - 1))
        clock.advance(1)
        sender.accepted(sender.begin())
    assert sender.pause == 0


def test_each_refused_probe_doubles_the_pause_up_to_a_limit_and_an_accepted_one_ends_it(
    sender: Sender, clock: Clock
) -> None:
    paused(sender)
    pauses = []
    for _ in range(10):
        clock.advance(sender.pause)
        assert sender.refused(sender.begin()) == [True]
        pauses.append(sender.pause)
    assert pauses[:3] == [2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[-1] == MAX_PAUSE_SECONDS
    clock.advance(sender.pause)
    sender.accepted(sender.begin())
    assert sender.at_once == 2
    clock.advance(1)
    assert sender.refused(sender.begin()) == [False], "no probe any more"


def test_the_pause_that_the_domain_asks_for_is_kept_up_to_the_limit(sender: Sender, clock: Clock) -> None:
    paused(sender)
    for asked, expected in ((60.0, 60.0), (1.0, 4 * FIRST_PAUSE), (3_600.0, MAX_PAUSE_SECONDS)):
        clock.advance(sender.pause)
        sender.refused(sender.begin(), asked=asked)
        assert sender.pause == expected


def test_messages_sent_before_the_pause_do_not_prolong_it(sender: Sender, clock: Clock) -> None:
    together = sender.begin(10)
    clock.advance(1)
    sender.refused(together[:PAUSE_AFTER])
    clock.advance(2)
    sender.refused(together[PAUSE_AFTER : PAUSE_AFTER + 3])
    sender.accepted(together[PAUSE_AFTER + 3 :])
    assert sender.pause == FIRST_PAUSE - 2
    assert sender.at_once == 1


def test_a_domain_without_refusals_for_long_has_recovered_even_if_little_was_sent(sender: Sender, clock: Clock) -> None:
    paused(sender)
    clock.advance(HEALTHY_SECONDS)
    assert sender.limit.is_throttled(clock())
    clock.advance(1)
    assert not sender.limit.is_throttled(clock())
    assert sender.at_once == math.inf
    assert sender.refused(sender.begin()) == [False], "what was before is forgotten"


def test_an_upper_limit_holds_from_the_start_and_after_a_recovery(clock: Clock) -> None:
    sender = Sender(clock, max_in_flight=3)
    sender.begin(3)
    assert not sender.limit.is_free(clock())
    sender.limit.in_flight = 0
    paused(sender)
    clock.advance(sender.pause)
    sender.limit = DomainLimit(max_in_flight=3, recovered=3, first_pause=FIRST_PAUSE)
    sender.one_after_another(100)
    assert sender.at_once == 3


def test_a_domain_with_a_limit_of_one_is_paused_like_any_other(clock: Clock) -> None:
    sender = Sender(clock, max_in_flight=1)
    for _ in range(PAUSE_AFTER):
        clock.advance(1)
        sender.refused(sender.begin())
    assert sender.limit.is_throttled(clock())
    clock.advance(sender.pause)
    sender.accepted(sender.begin())
    assert not sender.limit.is_throttled(clock())

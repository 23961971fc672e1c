"""Whose hold is whose: what a notification is held by."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contracts.holds import HoldRule, Holds

FIRST, SECOND, THIRD = (UUID(int=number) for number in (1, 2, 3))
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY, TEST = "key:shop", "test:shop"


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        (
            {"template_code": "welcome"},
            {(KEY, "email", "welcome"), (TEST, "push", "welcome"), (None, "push", "welcome")},
        ),
        ({"notification_type": "push"}, {(TEST, "push", "welcome"), (None, "push", "welcome")}),
        ({"callers": (KEY, TEST)}, {(KEY, "email", "welcome"), (KEY, "email", "other"), (TEST, "push", "welcome")}),
        ({"callers": (TEST,)}, {(TEST, "push", "welcome")}),
        ({"callers": (KEY,), "template_code": "welcome"}, {(KEY, "email", "welcome")}),
        ({"callers": (KEY,), "notification_type": "push"}, set()),
    ],
)
def test_a_hold_is_for_what_matches_every_field(rule: dict[str, object], held: set[tuple[str, ...]]) -> None:
    holds = Holds([HoldRule(id=FIRST, **rule)])
    asked = [(KEY, "email", "welcome"), (KEY, "email", "other"), (TEST, "push", "welcome"), (None, "push", "welcome")]
    assert {one for one in asked if holds.standing(*one) == FIRST} == held


def test_without_holds_nothing_is_held() -> None:
    assert not Holds()
    assert not Holds().any_stands
    assert Holds().standing(KEY, "email", "welcome") is None
    assert Holds().ordered(KEY, "email", "welcome", published_at=NOW) is None


def test_a_held_provider_holds_no_notification() -> None:
    rules = [HoldRule(id=FIRST, provider="smtp"), HoldRule(id=SECOND, provider="fcm", ended_at=NOW)]
    holds = Holds(rules)
    assert holds.providers == {"smtp"}
    assert not holds
    assert holds.standing(KEY, "email", "welcome") is None


def test_the_oldest_of_equal_holds_counts() -> None:
    assert Holds(HoldRule(id=one, template_code="t") for one in (FIRST, SECOND)).standing(KEY, "email", "t") == FIRST


def test_an_order_is_for_what_was_published_before_it_and_the_first_counts() -> None:
    ended = {FIRST: NOW, SECOND: NOW + timedelta(hours=1), THIRD: NOW - timedelta(hours=1)}
    holds = Holds(HoldRule(id=one, template_code="t", ended_at=at) for one, at in ended.items())

    def ordered(published_at: datetime | None) -> UUID | None:
        return holds.ordered(KEY, "email", "t", published_at=published_at)

    assert holds.standing(KEY, "email", "t") is None
    assert [ordered(NOW - timedelta(minutes=1)), ordered(NOW), ordered(NOW + timedelta(minutes=1))] == [
        FIRST,
        FIRST,
        SECOND,
    ]
    assert ordered(NOW + timedelta(hours=2)) is None
    assert ordered(None) is None
    assert holds.ordered(KEY, "email", "other", published_at=NOW) is None

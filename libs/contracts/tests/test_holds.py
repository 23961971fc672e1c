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
    assert {one for one in asked if holds.standing_hold(*one) == FIRST} == held


def test_without_holds_nothing_is_held() -> None:
    assert not Holds().any_in_force
    assert not Holds().any_stands
    assert Holds().standing_hold(KEY, "email", "welcome") is None
    assert Holds().recalling_hold(KEY, "email", "welcome", published_at=NOW) is None


def test_a_held_provider_holds_no_notification() -> None:
    rules = [HoldRule(id=FIRST, provider="smtp"), HoldRule(id=SECOND, provider="fcm", ended_at=NOW)]
    holds = Holds(rules)
    assert holds.providers == {"smtp"}
    assert not holds.any_in_force
    assert holds.standing_hold(KEY, "email", "welcome") is None


def test_the_oldest_of_equal_holds_counts() -> None:
    holds = Holds(HoldRule(id=one, template_code="t") for one in (FIRST, SECOND))
    assert holds.standing_hold(KEY, "email", "t") == FIRST


def test_an_ended_hold_recalls_what_was_published_before_its_end_and_the_first_counts() -> None:
    ended = {FIRST: NOW, SECOND: NOW + timedelta(hours=1), THIRD: NOW - timedelta(hours=1)}
    holds = Holds(HoldRule(id=one, template_code="t", ended_at=at) for one, at in ended.items())

    def recalled_by(published_at: datetime | None) -> UUID | None:
        return holds.recalling_hold(KEY, "email", "t", published_at=published_at)

    assert holds.standing_hold(KEY, "email", "t") is None
    assert [recalled_by(NOW - timedelta(minutes=1)), recalled_by(NOW), recalled_by(NOW + timedelta(minutes=1))] == [
        FIRST,
        FIRST,
        SECOND,
    ]
    assert recalled_by(NOW + timedelta(hours=2)) is None
    assert recalled_by(None) is None
    assert holds.recalling_hold(KEY, "email", "other", published_at=NOW) is None

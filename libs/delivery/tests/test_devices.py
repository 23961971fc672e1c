"""The report of a notification to several devices says what became of each."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from contracts.messages import MAX_DEVICE_RESULTS, StatusEvent
from delivery.app import _end
from delivery.devices import device_results
from delivery.ledger import AlreadyFinished, NotOwned
from delivery.reporting import publication

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _ended(state: str, seconds: int = 0, code: str | None = None) -> AlreadyFinished:
    return AlreadyFinished(state, 1, code, "what the provider said", None, 0, "fcm", NOW + timedelta(seconds=seconds))


def test_devices_that_have_ended_are_reported_in_the_order_of_their_ends() -> None:
    found = device_results({"a": _ended("sent", 2), "b": NotOwned(), "c": _ended("failed", 1, "invalid_token")})
    assert found is not None
    assert [(one.device, one.status, one.code, one.provider) for one in found] == [
        ("c", "failed", "invalid_token", "fcm"),
        ("a", "sent", None, "fcm"),
    ]


def test_a_report_about_one_device_is_as_short_as_before() -> None:
    assert device_results({"a": _ended("sent")}) is None
    event = StatusEvent(notification_id=UUID(int=1), notification_type="push", status="sent", at=NOW)
    assert "devices" not in json.loads(publication([event]).body)["events"][0]


def test_the_number_of_devices_in_a_report_is_bounded() -> None:
    many = {str(number): _ended("sent", number) for number in range(MAX_DEVICE_RESULTS + 5)}
    assert len(device_results(many) or ()) == MAX_DEVICE_RESULTS


def test_a_gateway_that_asks_for_a_lost_report_gets_the_devices_too() -> None:
    event = _end(UUID(int=1), "push", {"a": _ended("sent"), "b": _ended("failed", 1)})
    assert event is not None
    assert [one.device for one in event.devices or ()] == ["a", "b"]
    assert (_end(UUID(int=1), "push", {"a": _ended("sent")}) or event).devices is None

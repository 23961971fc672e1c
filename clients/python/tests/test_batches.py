"""Batches of any size."""

import json

import pytest

from clients.python.tests.miniature import Call, Gateway, envelope, refusal
from notifications import Accepted, BatchInterrupted, Notifications, PermissionDenied, Problems
from testkit.faulty_http import Reply


def mails(number: int, **fields: object) -> list[dict[str, object]]:
    return [{"notification_type": "email", "user_id": "u", "template_code": "w", **fields} for _ in range(number)]


async def test_a_thousand_go_in_one_call_and_the_results_are_one_list(gateway: Gateway, call: Call) -> None:
    result = await call("send_batch", mails(2_300))
    assert [len(json.loads(asked.body)["notifications"]) for asked in gateway.asked] == [1_000, 1_000, 300]
    assert (result.accepted, len(result.results)) == (2_300, 2_300)
    assert [item.index for item in result.results] == list(range(2_300))
    assert [item.request_id for item in result.results] == list(gateway.accepted)
    assert result.results[-1].notification_id == "n-2299"


async def test_large_notifications_go_in_smaller_calls(gateway: Gateway, call: Call) -> None:
    await call("send_batch", mails(10, variables={"text": "x" * 1_000_000}))
    assert [len(json.loads(asked.body)["notifications"]) for asked in gateway.asked] == [2] * 5


async def test_an_empty_batch_is_no_call(gateway: Gateway, call: Call) -> None:
    assert (await call("send_batch", [])).results == []
    assert gateway.asked == []


async def test_a_batch_whose_answer_was_lost_is_not_sent_twice(gateway: Gateway, call: Call) -> None:
    gateway.fail(["reset"])
    await call("send_batch", mails(3))
    assert len(gateway.asked) == 2
    assert len(gateway.accepted) == 3


async def test_a_batch_in_which_nothing_is_accepted_has_results(gateway: Gateway, call: Call) -> None:
    item = {"index": 0, "success": False, "status_code": 422, "message": "no", "error": "validation_error",
            "data": {"errors": [{"field": "user_id", "message": "is no id"}]}}  # fmt: skip
    gateway.fail([refusal(422, "batch_rejected", {"accepted": 0, "replayed": 0, "rejected": 1, "results": [item]})])
    result = await call("send_batch", mails(1))
    assert (result.accepted, result.rejected, result.results[0].error) == (0, 1, "validation_error")
    assert isinstance(result.results[0].data, Problems)
    assert result.results[0].notification_id is None


async def test_a_batch_that_breaks_off_says_what_is_left(gateway: Gateway, call: Call) -> None:
    gateway.fail([None, refusal(403, "forbidden")])
    with pytest.raises(BatchInterrupted) as raised:
        await call("send_batch", mails(2_100))
    assert isinstance(raised.value.__cause__, PermissionDenied)
    assert len(raised.value.result.results) == 1_000
    assert len(raised.value.unsent) == 1_100
    again = await call("send_batch", raised.value.unsent)
    assert (len(again.results), len(gateway.accepted)) == (1_100, 2_100)


def test_contacts_and_suppressions_go_by_the_thousand_too(gateway: Gateway, client: Notifications) -> None:
    gateway.reply = Reply(200, envelope([{"id": "u", "external_id": "e", "created": True}]))
    written = client.contacts.put_all(
        {"external_id": str(i), "name": "N", "email": f"{i}@example.com"} for i in range(1_001)
    )
    assert (len(written), len(gateway.asked)) == (2, 2)
    gateway.reply = Reply(200, envelope({"added": 4}))
    assert client.suppressions.add(f"{i}@example.com" for i in range(2_001)).added == 12


def test_contacts_are_looked_up_by_the_thousand_each_once(gateway: Gateway, client: Notifications) -> None:
    gateway.reply = Reply(200, envelope({"contacts": [], "not_found": ["e"]}))
    assert client.contacts.find([*(f"e-{i}" for i in range(1_001)), "e-0"]).not_found == ["e", "e"]
    assert [len(json.loads(asked.body)["external_ids"]) for asked in gateway.asked] == [1_000, 1]
    assert client.contacts.find([]).contacts == []
    assert len(gateway.asked) == 2


def test_an_accepted_item_is_one(gateway: Gateway, client: Notifications) -> None:
    assert isinstance(client.send_batch(mails(1)).results[0].data, Accepted)  # type: ignore[arg-type]

"""A caller's changes of one notification's push message: refusals, and that every other field reaches the worker."""

import base64
import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import orjson
import pytest

from api_gateway.repositories.personal import PERSONAL
from api_gateway.schemas import overrides as accepted
from chassis.postgres.database import Database
from chassis.security.data_keys import DataKeys
from chassis.server.reencrypting import reencrypt
from contracts import overrides as sent
from contracts.messages import NotificationMessage
from testkit.dumping import dump
from testkit.push_options import EVERYTHING

SECRET = f"geheim-{uuid4().hex}"
OLD, NEW = (f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in ("old", "new"))
PUSH = EVERYTHING | {"data": {"order_id": SECRET}, "image": "https://img.example/a.png"}
ITEM = {
    "notification_type": "push",
    "to": {"push_tokens": ["device-1"]},
    "template_code": "welcome",
    "variables": {"name": "Ada"},
}


def body(push: object = None, **changes: object) -> dict[str, object]:
    return ITEM | ({} if push is None else {"overrides": {"push": push}}) | changes


async def post(gateway, push: object = None, headers: dict[str, str] | None = None, **changes: object):
    headers = headers or gateway.token()
    return await gateway.http.post("/api/v1/notifications", json=body(push, **changes), headers=headers)


async def messages(gateway, number: int = 1) -> list[dict]:
    return [orjson.loads(one) for one in await gateway.published("push.queue", number)]


@pytest.fixture(autouse=True)
def _template(peers) -> None:
    peers.add_template()


async def test_every_field_reaches_the_worker(gateway) -> None:
    assert (await post(gateway, PUSH)).status_code == 202
    [message] = await messages(gateway)
    assert message["overrides"] == {"push": PUSH}
    read = NotificationMessage.model_validate(message).overrides
    assert read.model_dump(mode="json", exclude_none=True) == {"push": PUSH}


async def test_so_it_does_from_a_batch_at_its_time_and_when_it_was_looked_up_later(gateway, peers) -> None:
    headers = gateway.token()
    items = {"notifications": [body(PUSH), body()]}
    assert (await gateway.http.post("/api/v1/notifications/batch", json=items, headers=headers)).status_code == 202
    found = [one.get("overrides") for one in await messages(gateway, 2)]
    assert sorted(found, key=str) == [None, {"push": PUSH}]
    soon = (datetime.now(UTC) + timedelta(seconds=0.2)).isoformat()
    assert (await post(gateway, PUSH, send_at=soon)).status_code == 202
    assert (await messages(gateway))[0]["overrides"] == {"push": PUSH}
    peers.down = True
    await post(gateway, PUSH, template_code="other")
    peers.add_template("other")
    peers.down = False
    assert (await messages(gateway))[0]["overrides"] == {"push": PUSH}


async def test_so_it_does_when_it_is_tried_again(gateway) -> None:
    headers = gateway.token()
    name = (await post(gateway, PUSH, headers)).json()["data"]["notification_id"]
    await gateway.until(name, "queued")
    await gateway.report(name, "failed", code="exhausted", notification_type="push")
    await gateway.until(name, "failed")
    assert (await gateway.http.post(f"/api/v1/notifications/{name}/retry", headers=headers)).status_code == 202
    assert [one["overrides"] for one in await messages(gateway, 2)] == [{"push": PUSH}] * 2


@pytest.mark.parametrize("nothing", [None, {}, {"push": None}, {"push": {}}, {"push": {"badge": None}}])
async def test_a_notification_without_them_says_nothing_of_them(gateway, nothing) -> None:
    assert (await post(gateway, overrides=nothing)).status_code == 202
    assert "overrides" not in (await messages(gateway))[0]


async def test_a_badge_of_0_and_a_false_are_something(gateway) -> None:
    push = {"badge": 0, "ttl_seconds": 0, "web_push": {"silent": False}, "content_available": None}
    await post(gateway, push)
    del push["content_available"]
    assert (await messages(gateway))[0]["overrides"] == {"push": push}


TOO_LONG = {"k": "x" * 4_045}


@pytest.mark.parametrize(
    ("push", "field"),
    [
        ({"title": "x"}, "push.title"),
        ({"data": {"count": 3}}, "push.data.count"),
        ({"data": {"nested": {}}}, "push.data.nested"),
        ({"data": ["x"]}, "push.data"),
        *(({"data": {key: "x"}}, "push.data") for key in (
            "from", "message_type", "collapse_key", "google.x", "gcm.x", "gcm.notification.title", "notification_id",
            "correlation_id", "link", "image", "aps", "", "k" * 201, "a\0b",
        )),
        ({"data": {"k": "a\0b"}}, "push.data.k"),
        ({"data": TOO_LONG}, ""),
        ({"image": "http://a.example/i.png"}, "push.image"),
        ({"image": "https://a.example/i j.png"}, "push.image"),
        ({"image": "https://user@a.example/"}, "push.image"),
        ({"sound": ""}, "push.sound"),
        ({"sound": "a\nb"}, "push.sound"),
        ({"badge": -1}, "push.badge"),
        ({"badge": "3"}, "push.badge"),
        ({"badge": 1.5}, "push.badge"),
        ({"collapse_key": "x" * 65}, "push.collapse_key"),
        ({"collapse_key": "a b"}, "push.collapse_key"),
        ({"collapse_key": "a\r\nTTL: 0"}, "push.collapse_key"),
        ({"ttl_seconds": -1}, "push.ttl_seconds"),
        ({"ttl_seconds": 28 * 24 * 3600 + 1}, "push.ttl_seconds"),
        ({"analytics_label": "x" * 51}, "push.analytics_label"),
        ({"analytics_label": "a label"}, "push.analytics_label"),
        ({"content_available": "yes"}, "push.content_available"),
        ({"content_available": True, "sound": "default"}, "push"),
        ({"android": {"channel": "x"}}, "push.android.channel"),
        ({"android": {"color": "red"}}, "push.android.color"),
        ({"android": {"visibility": "SECRET"}}, "push.android.visibility"),
        ({"apns": {"interruption_level": "loud"}}, "push.apns.interruption_level"),
        ({"apns": {"relevance_score": 1.1}}, "push.apns.relevance_score"),
        ({"apns": {"mutable_content": 1}}, "push.apns.mutable_content"),
        ({"web_push": {"urgency": "urgent"}}, "push.web_push.urgency"),
        ({"web_push": {"actions": [{"action": "x"}]}}, "push.web_push.actions.0.title"),
        ({"web_push": {"actions": [{"action": "x", "title": "X"}] * 4}}, "push.web_push.actions"),
        ({"web_push": {"icon": "javascript:alert(1)"}}, "push.web_push.icon"),
    ],
)  # fmt: skip
async def test_what_no_provider_takes_is_refused_and_named(gateway, push, field) -> None:
    answer = await post(gateway, push)
    assert answer.status_code == 422, answer.text
    assert f"overrides.{field}".rstrip(".") in [one["field"] for one in answer.json()["data"]["errors"]]


async def test_the_refusal_says_how_large_the_data_is(gateway) -> None:
    assert (await post(gateway, {"data": {"k": "x" * 4_044}})).status_code == 202
    [error] = (await post(gateway, {"data": TOO_LONG})).json()["data"]["errors"]
    assert error["message"].startswith("has 4046 bytes of data")
    topic = {"to": {"topic": "news"}}
    assert (await post(gateway, {"data": {"k": "x" * 1_996}}, **topic)).status_code == 202
    assert (await post(gateway, {"data": {"k": "x" * 1_997}}, **topic)).status_code == 422


async def test_an_unknown_channel_and_another_channels_options_are_refused(gateway) -> None:
    for overrides in ({"pusch": {}}, {"sms": {"from": "x"}}, "push", [1]):
        assert (await post(gateway, overrides=overrides)).status_code == 422
    mail = {"notification_type": "email", "to": {"email": "ada@example.com"}}
    [error] = (await post(gateway, {"badge": 1}, **mail)).json()["data"]["errors"]
    assert error == {"field": "overrides", "message": "has options for push, and this goes by email"}


async def test_a_repeat_is_the_same_overrides_and_others_are_not(gateway) -> None:
    headers = gateway.token()
    first = await post(gateway, {"badge": 1, "data": {"a": "1", "b": "2"}}, headers, request_id="r-1")
    again = await post(gateway, {"data": {"b": "2", "a": "1"}, "badge": 1, "sound": None}, headers, request_id="r-1")
    assert again.json()["data"] == first.json()["data"]
    assert again.headers["idempotent-replayed"] == "true"
    for other in ({"badge": 2}, None):
        assert (await post(gateway, other, headers, request_id="r-1")).json()["error"] == "idempotency_key_reused"


async def test_they_are_encrypted_like_variables_and_with_the_newest_key(start) -> None:
    gateway = await start(data_encryption_keys=OLD, relay_interval_seconds=1_000)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    name = (await post(gateway, PUSH, send_at=later)).json()["data"]["notification_id"]
    before = await dump(gateway.settings.database_url)
    assert SECRET not in before
    database = Database(gateway.settings.database_url)
    for table in PERSONAL:
        await reencrypt(database, table, DataKeys.parse(f"{NEW},{OLD}"))
    await database.close()
    after = await dump(gateway.settings.database_url)
    assert SECRET not in after
    assert after != before
    await gateway.change(f"UPDATE notifications SET due_at = now() WHERE id = '{name}'")
    reading = await start(data_encryption_keys=NEW)
    assert (await messages(reading))[0]["overrides"] == {"push": PUSH}


@pytest.mark.parametrize(
    "to", [{"topic": "news"}, {"condition": "'news' in topics && ('a' in topics || !('b.c~%1-_' in topics))"}]
)
async def test_it_goes_to_a_topic_or_a_condition_as_one_recipient(gateway, to) -> None:
    assert (await post(gateway, to=to)).status_code == 202
    [message] = await messages(gateway)
    [(kind, text)] = to.items()
    [device] = message["recipient"]["push_tokens"]
    assert device == {"provider": "fcm", "token": text, "kind": kind, "keys": None, "environment": None}
    assert message["fixed_recipient"] is True


FIVE = " && ".join(f"'{name}' in topics" for name in "abcde")


@pytest.mark.parametrize(
    "to",
    [
        {"topic": ""},
        {"topic": "/topics/news"},
        {"topic": "ne ws"},
        {"topic": "x" * 901},
        {"topic": "news", "name": "x"},
        {"topic": "news", "condition": "'a' in topics"},
        {"topic": "news", "push_tokens": ["x"]},
        {"condition": ""},
        {"condition": " "},
        {"condition": "news"},
        {"condition": "'a' in topics &&"},
        {"condition": "'a' in topics 'b' in topics"},
        {"condition": "('a' in topics"},
        {"condition": "'a' in topics)"},
        {"condition": ")'a' in topics("},
        {"condition": "'a' in topics & 'b' in topics"},
        {"condition": "'a b' in topics"},
        {"condition": "'a' in topic"},
        {"condition": "!"},
        {"condition": "()"},
        {"condition": f"{FIVE} && 'f' in topics"},
        {"condition": "(" * 21 + "'a' in topics" + ")" * 21},
    ],
)  # fmt: skip
async def test_what_fcm_would_not_take_as_a_topic_or_a_condition_is_refused(gateway, to) -> None:
    answer = await post(gateway, to=to)
    assert answer.status_code == 422
    assert answer.json()["data"]["errors"][0]["field"].startswith("to.")


async def test_five_topics_are_a_condition(gateway) -> None:
    assert (await post(gateway, to={"condition": FIVE})).status_code == 202


async def test_a_topic_is_no_recipient_of_an_email_and_no_persons_business(gateway) -> None:
    assert (await post(gateway, to={"topic": "news"}, notification_type="email")).status_code == 422
    assert (await post(gateway, headers=gateway.token(role="user"), to={"topic": "news"})).status_code == 403


def test_the_gateway_accepts_what_workers_read() -> None:
    """Field by field: a field that only one of the two knows would be lost."""
    pairs = {
        accepted.NotificationOverrides: sent.Overrides,
        accepted.PushOptions: sent.PushOverrides,
        accepted.AndroidOptions: sent.AndroidOverrides,
        accepted.ApnsOptions: sent.ApnsOverrides,
        accepted.LiveActivityOptions: sent.LiveActivityOverrides,
        accepted.WebPushOptions: sent.WebPushOverrides,
        accepted.WebPushActionOption: sent.WebPushAction,
    }
    for ours, theirs in pairs.items():
        assert ours.model_fields.keys() == theirs.model_fields.keys()

"""Updates of Apple's Live Activities: allowed recipients, refusals, and that every other field reaches the worker."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from api_gateway.schemas.live_activities import MAX_STATE_BYTES
from contracts.messages import NotificationMessage

TOKEN = "AB" * 80
UPDATE = {"event": "update", "content_state": {"driver": "Ada", "stops": [1, 2.5, {"door": None}]}}
ITEM = {
    "notification_type": "push",
    "to": {"push_tokens": [{"provider": "apns", "token": TOKEN}]},
    "template_code": "welcome",
    "variables": {"name": "Ada"},
}


@pytest.fixture(autouse=True)
def _template(peers) -> None:
    peers.add_template()


async def post(gateway, activity: object = None, push: dict | None = None, headers=None, **changes: object):
    overrides = {"push": {"apns": {"live_activity": activity}, **(push or {})}}
    body = ITEM | ({} if activity is None else {"overrides": overrides}) | changes
    return await gateway.http.post("/api/v1/notifications", json=body, headers=headers or gateway.token())


async def message(gateway) -> dict:
    [one] = [orjson.loads(one) for one in await gateway.published("push.queue", 1)]
    return one


def live(found: dict) -> dict:
    return found["overrides"]["push"]["apns"]["live_activity"]


async def test_an_update_reaches_the_worker_with_the_time_of_acceptance(gateway) -> None:
    before = datetime.now(UTC)
    assert (await post(gateway, UPDATE)).status_code == 202
    found = await message(gateway)
    assert found["recipient"]["push_tokens"] == [
        {"provider": "apns", "token": TOKEN.lower(), "kind": "token", "keys": None, "environment": None}
    ]
    assert found["fixed_recipient"] is True  # so that a dead token is no user's
    activity = live(found)
    assert {name: activity[name] for name in UPDATE} == UPDATE
    read = NotificationMessage.model_validate(found).overrides.push.apns.live_activity
    assert before <= read.timestamp <= datetime.now(UTC)


async def test_every_field_reaches_the_worker(gateway) -> None:
    end = {
        "event": "end",
        "content_state": {},
        "stale_date": "2026-01-01T12:00:00Z",
        "dismissal_date": "2026-01-01T16:00:00+01:00",
        "relevance_score": 100,
        "timestamp": "2026-01-01T11:00:00Z",
        "alert": True,
    }
    push = {"sound": "default", "collapse_key": "order-1", "ttl_seconds": 60}
    assert (await post(gateway, end, push)).status_code == 202
    found = await message(gateway)
    assert found["overrides"]["push"].keys() == {"apns", *push}
    read = NotificationMessage.model_validate(found).overrides.push.apns.live_activity
    assert read.model_dump(mode="json") == end | {"dismissal_date": "2026-01-01T15:00:00Z", "relevance_score": 100.0}


async def test_a_planned_update_has_the_time_when_it_may_be_sent(gateway) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    assert (await post(gateway, UPDATE, send_at=soon)).status_code == 202
    read = NotificationMessage.model_validate(await message(gateway)).overrides.push.apns.live_activity
    assert read.timestamp == datetime.fromisoformat(soon)


async def test_a_repeat_is_the_same_update(gateway) -> None:
    headers = gateway.token()
    first = await post(gateway, UPDATE, headers=headers, request_id="r-1")
    again = await post(gateway, UPDATE, headers=headers, request_id="r-1")
    assert again.json()["data"] == first.json()["data"]
    other = await post(gateway, UPDATE | {"content_state": {}}, headers=headers, request_id="r-1")
    assert other.json()["error"] == "idempotency_key_reused"


LIVE = "overrides.push.apns.live_activity"


@pytest.mark.parametrize(
    ("activity", "field"),
    [
        ({}, f"{LIVE}.event"),
        ({"event": "start", "content_state": {}}, f"{LIVE}.event"),
        ({"event": "update"}, LIVE),
        (UPDATE | {"dismissal_date": "2026-01-01T12:00:00Z"}, LIVE),
        (UPDATE | {"content_state": []}, f"{LIVE}.content_state"),
        (UPDATE | {"content_state": "x"}, f"{LIVE}.content_state"),
        (UPDATE | {"content_state": {"k": "a\0b"}}, f"{LIVE}.content_state"),
        (UPDATE | {"content_state": {"a\0b": 1}}, f"{LIVE}.content_state"),
        (UPDATE | {"content_state": {"k": "x" * MAX_STATE_BYTES}}, f"{LIVE}.content_state"),
        (UPDATE | {"stale_date": 1_700_000_000}, f"{LIVE}.stale_date"),
        (UPDATE | {"timestamp": "today"}, f"{LIVE}.timestamp"),
        (UPDATE | {"relevance_score": -1}, f"{LIVE}.relevance_score"),
        (UPDATE | {"relevance_score": "1"}, f"{LIVE}.relevance_score"),
        (UPDATE | {"relevance_score": 1e7}, f"{LIVE}.relevance_score"),
        (UPDATE | {"alert": "Hello"}, f"{LIVE}.alert"),
        (UPDATE | {"attributes": {}}, f"{LIVE}.attributes"),
        ("update", LIVE),
    ],
)
async def test_what_no_live_activity_takes_is_refused_and_named(gateway, activity, field) -> None:
    refused = await post(gateway, activity)
    assert refused.status_code == 422, refused.text
    assert field in [one["field"] for one in refused.json()["data"]["errors"]]


async def test_a_state_that_is_nested_too_deeply_is_refused(gateway) -> None:
    for depth, status in ((30, 202), (33, 422), (200, 422)):
        state: dict = {}
        for _ in range(depth):
            state = {"k": state}
        assert (await post(gateway, {"event": "update", "content_state": state})).status_code == status


@pytest.mark.parametrize(
    "push",
    [
        {"data": {"k": "v"}}, {"image": "https://a.example/i.png"}, {"badge": 1}, {"sound": "default"},
        {"analytics_label": "x"}, {"content_available": True}, {"android": {"icon": "x"}}, {"web_push": {"silent": True}},
        {"apns": {"live_activity": UPDATE, "subtitle": "x"}},
    ],
)  # fmt: skip
async def test_what_a_live_activity_would_not_show_is_refused(gateway, push) -> None:
    refused = await post(gateway, UPDATE, push)
    assert refused.status_code == 422
    assert (await post(gateway, UPDATE, dict.fromkeys(push) | {"apns": {"live_activity": UPDATE}})).status_code == 202


@pytest.mark.parametrize(
    "changes",
    [
        {"to": {"push_tokens": ["an-fcm-token"]}},
        {"to": {"push_tokens": ["an-fcm-token", {"provider": "apns", "token": TOKEN}]}},
        {"to": {"topic": "news"}},
        {"to": None, "user_id": "123e4567-e89b-12d3-a456-426614174000"},
        {"notification_type": "email", "to": {"email": "ada@example.com"}},
    ],
)
async def test_only_tokens_that_the_caller_gives_have_live_activities(gateway, changes) -> None:
    refused = await post(gateway, UPDATE, **changes)
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["data"]["errors"]] == ["overrides"]


@pytest.mark.parametrize(
    ("token", "field"),
    [
        ({"provider": "apns", "token": "xyz"}, "to.push_tokens.0.token"),
        ({"provider": "apns"}, "to.push_tokens.0.token"),
        ({"provider": "fcm", "token": TOKEN}, "to.push_tokens.0"),
        ({"token": TOKEN}, "to.push_tokens.0.provider"),
        ({"provider": "apns", "token": TOKEN, "kind": "topic"}, "to.push_tokens.0.kind"),
        ({"provider": "apns", "token": TOKEN, "environment": "development"}, "to.push_tokens.0.environment"),
        (7, "to.push_tokens.0"),
        ("ab" * 32, "to.push_tokens.0"),
    ],
)
async def test_what_is_no_token_is_refused_and_named(gateway, token, field) -> None:
    refused = await post(gateway, to={"push_tokens": [token]})
    assert refused.status_code == 422
    assert field in [one["field"] for one in refused.json()["data"]["errors"]]


async def test_tokens_of_both_providers_are_devices_and_one_person(gateway) -> None:
    headers = gateway.token()
    tokens = ["an-fcm-token", {"provider": "apns", "token": "ab" * 32}]
    people = []
    for given in (tokens, tokens[::-1]):
        name = (await post(gateway, to={"push_tokens": given}, headers=headers)).json()["data"]["notification_id"]
        shown = await gateway.http.get(f"/api/v1/notifications/{name}", headers=headers)
        people.append(shown.json()["data"]["user_id"])
    assert len(set(people)) == 1
    found = [orjson.loads(one) for one in await gateway.published("push.queue", 2)]
    providers = {one["provider"] for one in found[0]["recipient"]["push_tokens"]}
    assert providers == {"fcm", "apns"}


@pytest.mark.parametrize("environment", ["production", "sandbox", None])
async def test_a_token_may_name_its_environment_and_is_one_recipient_in_both(gateway, environment) -> None:
    named, headers = {"provider": "apns", "token": TOKEN, "environment": environment}, gateway.token()
    for given in (named, {"provider": "apns", "token": TOKEN}):
        assert (await post(gateway, to={"push_tokens": [given]}, headers=headers)).status_code == 202
    first, second = [NotificationMessage.model_validate_json(one) for one in await gateway.published("push.queue", 2)]
    assert {one.recipient.push_tokens[0].environment for one in (first, second)} == {environment, None}
    assert first.user_id == second.user_id

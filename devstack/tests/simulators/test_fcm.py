import asyncio
import json

import pytest

from devstack.simulators.oauth import PROJECT_ID

SEND = f"/v1/projects/{PROJECT_ID}/messages:send"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


def push(token: str = "device-1", **parts: object) -> dict[str, object]:
    return {"message": {"token": token, "notification": {"title": "Hi", "body": "There"}} | parts}


async def test_a_taken_push_is_in_the_inbox_with_its_ids(sender, inbox):
    sent = push(data={"notification_id": "n1"}, android={"priority": "HIGH"})
    answer = await sender.post(SEND, json=sent, headers={"X-Correlation-ID": "c1", "X-Request-ID": "r1"})
    assert answer.status_code == 200
    assert answer.json()["name"].startswith(f"projects/{PROJECT_ID}/messages/")
    [taken] = inbox.pushes
    assert (taken.token, taken.title, taken.body, taken.key) == ("device-1", "Hi", "There", "n1")
    assert (taken.correlation_id, taken.request_id) == ("c1", "r1")
    assert json.loads(taken.raw) == sent["message"]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer made-up", "Basic abc", "key=legacy"])
async def test_sending_needs_a_token_that_was_issued(http, inbox, authorization):
    answer = await http.post(SEND, json=push(), headers={"Authorization": authorization})
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert inbox.pushes.total == 0


async def test_a_good_token_under_another_scheme_is_401(sender):
    token = sender.headers["Authorization"].removeprefix("Bearer ")
    answer = await sender.post(SEND, json=push(), headers={"Authorization": f"Basic {token}"})
    assert answer.status_code == 401


async def test_a_revoked_token_is_401(sender, fcm):
    fcm.tokens.revoke_all()
    assert (await sender.post(SEND, json=push())).status_code == 401


async def test_another_project_is_403(sender):
    answer = await sender.post("/v1/projects/other/messages:send", json=push())
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (push(data={"count": 3}), "message.data.count"),
        (push(token=""), "message.token"),
        ({"message": {"notification": {"title": "Hi"}}}, "message"),
        (push(topic="news"), "message"),
        (push(condition="'a' in topics"), "message"),
        ({"message": {"topic": "/topics/news"}}, "message.topic"),
        ({"message": {"condition": "'a' in topics &&"}}, "message.condition"),
        ({"message": {"condition": "'a' in topics + 'b' in topics"}}, "message.condition"),
        ({"message": {"condition": " || ".join(["'a' in topics"] * 6)}}, "message.condition"),
        (push(notification={"title": "Hi", "subtitle": "x"}), "message.notification.subtitle"),
        (push(data={"from": "x"}), "message.data.from"),
        (push(data={"google.x": "x"}), "message.data.google.x"),
        (push(data={"gcm.x": "x"}), "message.data.gcm.x"),
        (push(android={"channel_id": "x"}), "message.android.channel_id"),
        (push(android={"priority": "URGENT"}), "message.android.priority"),
        (push(android={"data": {"k": 1}}), "message.android.data.k"),
        (push(android={"notification": {"badge": 1}}), "message.android.notification.badge"),
        (
            push(android={"notification": {"notification_count": "1"}}),
            "message.android.notification.notification_count",
        ),
        (push(android={"notification": {"color": "red"}}), "message.android.notification.color"),
        (push(android={"notification": {"visibility": "secret"}}), "message.android.notification.visibility"),
        (push(apns={"aps": {}}), "message.apns.aps"),
        (push(apns={"payload": {"aps": {"badge": "1"}}}), "message.apns.payload.aps.badge"),
        (push(apns={"payload": {"aps": {"content-available": "1"}}}), "message.apns.payload.aps.content-available"),
        (push(webpush={"link": "https://a.example/"}), "message.webpush.link"),
        (push(webpush={"fcm_options": {"link": "http://a.example/"}}), "message.webpush.fcm_options.link"),
        (push(fcm_options={"analytics_label": "a label"}), "message.fcm_options.analytics_label"),
        ([], ""),
    ],
)
async def test_a_payload_against_the_schema_is_400_and_names_the_field(sender, inbox, body, field):
    answer = await sender.post(SEND, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    violations = next(detail for detail in error["details"] if "fieldViolations" in detail)["fieldViolations"]
    assert any(violation["field"].startswith(field) for violation in violations)
    assert inbox.pushes.total == 0


@pytest.mark.parametrize(
    ("target", "recipient"),
    [
        ({"topic": "news"}, "/topics/news"),
        ({"condition": "'a' in topics && !('b' in topics)"}, "'a' in topics && !('b' in topics)"),
    ],
)
async def test_a_topic_and_a_condition_have_half_the_size(sender, inbox, target, recipient):
    assert (await sender.post(SEND, json={"message": target | {"data": {"k": "x" * 2047}}})).status_code == 200
    assert (await sender.post(SEND, json={"message": target | {"data": {"k": "x" * 2048}}})).status_code == 400
    assert [push.token for push in inbox.pushes] == [recipient]


async def test_a_body_that_is_no_json_is_400(sender):
    assert (await sender.post(SEND, content=b"{nope")).status_code == 400


async def test_a_payload_over_4096_bytes_is_400(sender, inbox):
    fits = {"k": "x" * (4096 - len("ktitleHibodyThere"))}
    assert (await sender.post(SEND, json=push(data=fits))).status_code == 200
    answer = await sender.post(SEND, json=push(data={"k": fits["k"] + "x"}))
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert inbox.pushes.total == 1


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ({"android": {"ttl": "60s", "priority": "HIGH"}}, 200),
        ({"android": {"ttl": "60"}}, 400),
        ({"android": {"ttl": 60}}, 400),
        ({"android": {"ttl": "2419200s"}}, 200),
        ({"android": {"ttl": "2419201s"}}, 400),
        ({"apns": {"headers": {"apns-expiration": "1800000000"}}}, 200),
        ({"apns": {"headers": {"apns-expiration": 1800000000}}}, 400),
        ({"webpush": {"headers": {"TTL": 60}}}, 400),
    ],
)
async def test_a_lifespan_has_the_form_that_fcm_takes(sender, part, status):
    assert (await sender.post(SEND, json=push(**part))).status_code == status


@pytest.mark.parametrize(
    ("token", "status", "canonical", "code"),
    [
        ("unregistered-1", 404, "NOT_FOUND", "UNREGISTERED"),
        ("invalid-token-1", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("sender-mismatch", 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
        ("quota-1-a", 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
        ("unavailable-1-a", 503, "UNAVAILABLE", "UNAVAILABLE"),
        ("third-party-1-a", 401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
    ],
)
async def test_magic_tokens_get_the_documented_error(sender, inbox, token, status, canonical, code):
    answer = await sender.post(SEND, json=push(token))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (status, status, canonical)
    assert {"@type": FCM_ERROR, "errorCode": code} in error["details"]
    assert (inbox.pushes.total, inbox.pushes.refused) == (0, 1)


@pytest.mark.parametrize(("word", "status"), [("quota", 429), ("unavailable", 503), ("third-party", 401)])
async def test_passing_trouble_passes_for_each_token_by_itself(sender, inbox, word, status):
    answers = [await sender.post(SEND, json=push(f"{word}-2-a")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert (await sender.post(SEND, json=push(f"{word}-2-b"))).status_code == status
    assert inbox.pushes.total == 1


async def test_quota_says_when_to_come_back(sender):
    answer = await sender.post(SEND, json=push("quota-1-x"))
    assert answer.headers["Retry-After"] == "1"


async def test_stall_has_the_message_before_it_answers(sender, inbox):
    answer = asyncio.create_task(sender.post(SEND, json=push("stall-2-x")))
    await inbox.pushes.wait_for(1)
    assert not answer.done()
    assert (await answer).status_code == 200

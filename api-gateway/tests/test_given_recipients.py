"""Notifications to an address or to devices that their caller gives, in place of a user."""

from base64 import b64encode
from secrets import token_bytes
from uuid import uuid4

import pytest
from sqlalchemy import text

from contracts.device_tokens import SUBSCRIPTION
from contracts.messages import NotificationMessage

TO = {"email": " Ada@Example.com ", "name": "Ada"}
DEVICES = {"push_tokens": ["device-1", "device-2"]}


def body(**changes: object) -> dict[str, object]:
    given = {
        "notification_type": "email",
        "to": TO,
        "template_code": "welcome",
        "variables": {"name": "Ada"},
        **changes,
    }
    return {name: value for name, value in given.items() if value is not None}


async def post(gateway, token: dict[str, str] | None = None, **changes: object):
    headers = token or gateway.token()
    return await gateway.http.post("/api/v1/notifications", json=body(**changes), headers=headers)


async def messages(gateway, queue: str = "email.queue") -> list[NotificationMessage]:
    return [NotificationMessage.model_validate_json(one) for one in await gateway.published(queue)]


@pytest.fixture
def known(gateway):
    gateway.peers.add_template()
    return gateway


async def test_it_goes_to_the_address_and_no_user_is_looked_up(known) -> None:
    assert (await post(known)).status_code == 202
    [message] = await messages(known)
    assert (message.recipient.email, message.recipient.name) == ("Ada@example.com", "Ada")
    assert message.fixed_recipient
    assert not any(one.startswith("users") for one in known.peers.asked)


async def test_push_goes_to_every_device(known) -> None:
    assert (await post(known, notification_type="push", to=DEVICES)).status_code == 202
    [message] = await messages(known, "push.queue")
    assert [one.token for one in message.recipient.push_tokens] == ["device-1", "device-2"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": None}, "user_id"),
        ({"user_id": str(uuid4())}, "user_id"),
        ({"to": {"email": "a@b.example, c@d.example"}}, "to.email"),
        ({"to": {"email": "ada@example.com", "name": "Ada\nBcc: x"}}, "to.name"),
        ({"to": {"name": "Ada"}}, "to.email"),
        ({"to": {"email": "ada@example.com", "push_tokens": ["x"]}}, "to.email"),
        ({"to": {"push_tokens": []}, "notification_type": "push"}, "to.push_tokens"),
        ({"to": {"push_tokens": ["a b"]}, "notification_type": "push"}, "to.push_tokens.0"),
        (
            {"to": {"push_tokens": [{"endpoint": "https://a.example"}]}, "notification_type": "push"},
            "to.push_tokens.0.keys",
        ),
        ({"to": {"push_tokens": [{"provider": "fcm", "token": "x"}]}, "notification_type": "push"}, "to.push_tokens.0"),
        ({"to": DEVICES}, "to"),
        ({"notification_type": "push"}, "to"),
        ({"to": "ada@example.com"}, "to"),
        ({"to": {"email": "ada@example.com", "bcc": "x@y.example"}}, "to.bcc"),
    ],
)
async def test_what_is_no_recipient_is_refused_and_named(known, changes, field) -> None:
    answer = await post(known, **changes)
    assert answer.status_code == 422
    assert field in [one["field"] for one in answer.json()["data"]["errors"]]


async def test_people_do_not_send_to_addresses(known) -> None:
    assert (await post(known, known.token(role="user"))).status_code == 403


async def test_a_repeat_is_the_same_body_and_another_address_is_not(known) -> None:
    token = known.token()
    first = await post(known, token, request_id="r-1")
    again = await post(known, token, request_id="r-1", to={"email": "Ada@EXAMPLE.com", "name": "Ada"})
    other = await post(known, token, request_id="r-1", to={"email": "eve@example.com"})
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert other.json()["error"] == "idempotency_key_reused"
    assert again.json()["data"]["notification_id"] == first.json()["data"]["notification_id"]


async def test_one_address_has_one_id_in_its_lists(known) -> None:
    headers = known.token()
    for spelling in ("ada@example.com", "Ada@EXAMPLE.com", "eve@example.com"):
        await post(known, headers, to={"email": spelling})
    await post(known, to={"email": "ada@example.com"})  # of another caller
    listed = (await known.http.get("/api/v1/notifications", headers=headers)).json()["data"]
    ids = [one["user_id"] for one in listed]
    assert len(set(ids)) == 3
    of_one = (await known.http.get(f"/api/v1/notifications?user_id={ids[-1]}", headers=headers)).json()["data"]
    assert len(of_one) == 2


async def test_while_the_services_are_down_it_is_accepted_and_resolved_later(known) -> None:
    known.peers.down = True
    answer = await post(known, template_code="other")
    assert answer.json()["data"]["status"] == "pending"
    known.peers.add_template("other")
    known.peers.down = False
    [message] = await messages(known)
    assert message.recipient.email == "Ada@example.com"
    assert message.fixed_recipient


async def test_the_limit_of_a_recipient_holds_for_an_address(start) -> None:
    gateway = await start(recipient_limit_per_hour=2)
    gateway.peers.add_template()
    token = gateway.token()
    assert [(await post(gateway, token)).status_code for _ in range(3)] == [202, 202, 429]
    assert (await post(gateway, token, to={"email": "eve@example.com"})).status_code == 202


async def test_a_retry_goes_to_the_same_address(known) -> None:
    token = known.token()
    notification_id = (await post(known, token)).json()["data"]["notification_id"]
    await known.until(notification_id, "queued")
    await known.report(notification_id, "failed", code="exhausted")
    await known.until(notification_id, "failed")
    assert (await known.http.post(f"/api/v1/notifications/{notification_id}/retry", headers=token)).status_code == 202
    again = [NotificationMessage.model_validate_json(one) for one in await known.published(number=2)]
    assert [one.recipient.email for one in again] == ["Ada@example.com"] * 2
    assert [(one.replay, one.fixed_recipient) for one in again] == [(0, True), (1, True)]


async def test_it_is_encrypted_like_other_personal_values(start) -> None:
    gateway = await start(data_encryption_keys=f"a:{b64encode(token_bytes(32)).decode()}")
    gateway.peers.down = True
    token = gateway.token()
    await post(gateway, token)
    async with gateway.root.database.begin() as connection:
        [stored] = await connection.execute(text("SELECT given_recipient FROM notifications"))
    assert "example" not in str(stored)
    gateway.peers.add_template()
    gateway.peers.down = False
    [message] = await messages(gateway)
    assert message.recipient.email == "Ada@example.com"


def subscription(**changes: object) -> dict[str, object]:
    return SUBSCRIPTION | {"expirationTime": None} | changes


async def test_push_goes_to_a_browser_by_its_subscription(known) -> None:
    endpoint = "https://FCM.googleapis.com:443/fcm/send/d61c5u920dw"
    tokens = ["device-1", subscription(endpoint=endpoint)]
    assert (await post(known, notification_type="push", to={"push_tokens": tokens})).status_code == 202
    [message] = await messages(known, "push.queue")
    phone, browser = message.recipient.push_tokens
    assert (phone.provider, phone.token) == ("fcm", "device-1")
    assert (browser.provider, browser.token) == ("web_push", SUBSCRIPTION["endpoint"])
    assert browser.keys.model_dump() == SUBSCRIPTION["keys"]
    assert message.fixed_recipient


async def test_one_browser_is_one_recipient_however_its_endpoint_is_written(known) -> None:
    token = known.token()
    for endpoint in (SUBSCRIPTION["endpoint"], "https://FCM.googleapis.com:443/fcm/send/d61c5u920dw"):
        to = {"push_tokens": [subscription(endpoint=endpoint)]}
        assert (await post(known, token, notification_type="push", to=to)).status_code == 202
    first, second = (
        NotificationMessage.model_validate_json(one) for one in await known.published("push.queue", number=2)
    )
    assert first.user_id == second.user_id


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"endpoint": "https://push.example.com/a"}, "endpoint"),
        ({"endpoint": "http://fcm.googleapis.com/a"}, "endpoint"),
        ({"endpoint": "https://fcm.googleapis.com@10.0.0.1/a"}, "endpoint"),
        ({"endpoint": ""}, "endpoint"),
        ({"keys": {"p256dh": "AAAA", "auth": SUBSCRIPTION["keys"]["auth"]}}, "keys.p256dh"),
        ({"keys": {"p256dh": SUBSCRIPTION["keys"]["p256dh"], "auth": "AAAA"}}, "keys.auth"),
        ({"keys": {"auth": SUBSCRIPTION["keys"]["auth"]}}, "keys.p256dh"),
        ({"keys": None}, "keys"),
    ],
)
async def test_a_subscription_that_could_not_be_registered_is_refused(known, changes, field) -> None:
    to = {"push_tokens": ["device-1", subscription(**changes)]}
    refused = await post(known, notification_type="push", to=to)
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["data"]["errors"]] == [f"to.push_tokens.1.{field}"]


async def test_in_a_batch_only_the_foreign_endpoint_is_refused(known) -> None:
    foreign = subscription(endpoint="https://push.example.com/a")
    wanted = [
        body(notification_type="push", to={"push_tokens": [one]}) for one in (subscription(), foreign, "device-1")
    ]
    answered = await known.http.post(
        "/api/v1/notifications/batch", json={"notifications": wanted}, headers=known.token()
    )
    results = answered.json()["data"]["results"]
    assert [one["status_code"] for one in results] == [202, 422, 202]
    assert [one["field"] for one in results[1]["data"]["errors"]] == ["to.push_tokens.0.endpoint"]

"""Finding notifications by an address or a device, and what each caller learns of a recipient."""

from base64 import b64encode
from secrets import token_bytes
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.security import hash_api_key, new_api_key
from contracts.addresses import fingerprint
from contracts.callers import ApiKeyInfo
from contracts.device_tokens import SUBSCRIPTION
from contracts.recipients import Preferences, PushToken

LIST = "/api/v1/notifications"
ADA = {"email": "ada@example.com", "name": "Ada"}
APPLE = "9C4B" * 16
SENDING, READING = ("notifications:read", "notifications:write"), "users:read"
NOTHING = {"name": None, "email": None, "fingerprint": None, "devices": None, "topic": None}


@pytest.fixture(autouse=True)
def _template(peers) -> None:
    peers.add_template()


def key(gateway, application: UUID, *scopes: str, **more: object) -> dict[str, str]:
    made = new_api_key()
    info = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=(*SENDING, *scopes), application_id=application, **more)
    gateway.peers.api_keys[hash_api_key(made)] = info
    return {"X-API-Key": made}


async def sent(gateway, headers: dict[str, str], **body: object) -> str:
    answer = await gateway.send(headers=headers, **body)
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]["notification_id"]


async def found(gateway, to: str, headers: dict[str, str], **more: object) -> list[str]:
    answer = await gateway.http.get(LIST, params={"to": to, **more}, headers=headers)
    assert answer.status_code == 200, answer.text
    listed = [one["notification_id"] for one in answer.json()["data"]]
    assert answer.json()["meta"]["total"] >= len(listed)
    return listed


async def recipient(gateway, notification_id: str, headers: dict[str, str]) -> dict:
    [listed] = [
        one
        for one in (await gateway.http.get(LIST, headers=headers)).json()["data"]
        if one["notification_id"] == notification_id
    ]
    detail = (await gateway.http.get(f"{LIST}/{notification_id}", headers=headers)).json()["data"]
    assert listed["recipient"] == detail["recipient"]
    return detail["recipient"]


async def test_an_address_is_found_in_every_spelling_whoever_it_is(gateway) -> None:
    """By administrators of every application, also of its test keys; by an application among its own."""
    ours, theirs, admin = uuid4(), uuid4(), gateway.token()
    first, second, other = key(gateway, ours), key(gateway, ours, test=True), key(gateway, theirs)
    user = gateway.peers.add_user()
    spelled = {"email": "Ada@EXAMPLE.com"}
    ids = [await sent(gateway, headers, to=spelled) for headers in (first, second, other, admin)]
    to_user = await sent(gateway, first, user_id=str(user.id))
    await sent(gateway, first, to={"email": "eve@example.com"})
    for spelling in ("ada@example.com", " ADA@example.COM "):
        assert await found(gateway, spelling, admin) == [to_user, *reversed(ids)]
    assert await found(gateway, "ada@example.com", first) == [ids[0]], "who is a user needs users:read"
    assert await found(gateway, "ada@example.com", key(gateway, ours, READING)) == [to_user, ids[0]]
    assert await found(gateway, "ada@example.com", other) == [ids[2]]
    assert await found(gateway, "nobody@example.com", admin) == []


async def test_a_user_finds_what_came_to_their_own_address(gateway) -> None:
    ada, eve = gateway.peers.add_user(), gateway.peers.add_user(email="eve@example.com")
    to_ada = await sent(gateway, key(gateway, uuid4()), user_id=str(ada.id))
    await sent(gateway, key(gateway, uuid4()), user_id=str(eve.id))
    assert await found(gateway, "ada@example.com", gateway.token(ada.id, "user")) == [to_ada]
    assert await found(gateway, "eve@example.com", gateway.token(ada.id, "user")) == []


async def test_another_applications_contact_is_not_found_by_its_address(gateway) -> None:
    ours, theirs = uuid4(), uuid4()
    contact = gateway.peers.add_user(application_id=theirs)
    await sent(gateway, key(gateway, theirs), user_id=str(contact.id))
    assert await found(gateway, contact.email, key(gateway, ours, READING)) == []
    assert gateway.peers.asked[-1] == f"address {ours}"


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        ("device-1", "device-1"),
        (SUBSCRIPTION, SUBSCRIPTION["endpoint"].replace("fcm.", "FCM.")),
        ({"provider": "apns", "token": APPLE}, APPLE),
    ],
)
async def test_a_device_is_found_by_its_token(gateway, given, typed) -> None:
    application = key(gateway, uuid4())
    push = {"notification_type": "push", "headers": application}
    one = await sent(gateway, to={"push_tokens": [given]}, **push)
    await sent(gateway, to={"push_tokens": ["device-2"]}, **push)
    assert await found(gateway, typed, application) == [one]


async def test_a_users_device_is_found_by_its_token(gateway) -> None:
    user = gateway.peers.add_user()
    one = await sent(gateway, gateway.token(), user_id=str(user.id), notification_type="push")
    assert await found(gateway, "device-1", gateway.token()) == [one]


async def test_it_narrows_as_other_filters_do_and_pages(gateway) -> None:
    headers, admin = [key(gateway, uuid4()) for _ in range(2)], gateway.token()
    ids = [await sent(gateway, headers[number % 2], to=ADA) for number in range(5)]
    newest = list(reversed(ids))
    pages = [await found(gateway, ADA["email"], admin, limit=2, page=page) for page in (1, 2, 3)]
    assert pages == [newest[:2], newest[2:4], newest[4:]]
    assert await found(gateway, ADA["email"], admin, limit=2, cursor=newest[1]) == newest[2:4]
    answer = await gateway.http.get(LIST, params={"to": ADA["email"], "cursor": newest[1], "limit": 2}, headers=admin)
    assert answer.json()["meta"] | {"next_cursor": None} == {
        "total": 5, "limit": 2, "page": 2, "total_pages": 3, "has_next": True, "has_previous": True, "next_cursor": None,
    }  # fmt: skip
    user_id = (await gateway.detail(ids[0]))["user_id"]
    assert await found(gateway, ADA["email"], admin, user_id=user_id) == newest[::2]
    assert await found(gateway, ADA["email"], admin, notification_type="push") == []


async def test_while_the_user_service_is_down_an_applications_own_recipients_are_found(gateway) -> None:
    ours = key(gateway, uuid4())
    one = await sent(gateway, ours, to=ADA)
    gateway.peers.down = True
    assert await found(gateway, ADA["email"], ours) == [one]
    refused = await gateway.http.get(LIST, params={"to": ADA["email"]}, headers=gateway.token())
    assert (refused.status_code, refused.json()["error"]) == (503, "dependency_unavailable")


@pytest.mark.parametrize(
    "to", ["", " ", "ada lovelace@example.com", "a\tb", "Ünal", "x" * 300 + "@example.com", "x" * 2_049]
)
async def test_what_is_no_address_is_refused_by_name(gateway, to) -> None:
    answer = await gateway.http.get(LIST, params={"to": to}, headers=gateway.token())
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["data"]["errors"]] == ["to"]
    assert "lovelace" not in answer.text


async def test_a_recipient_is_shown_masked_to_those_who_may_know(gateway) -> None:
    user = gateway.peers.add_user()
    ours = uuid4()
    sender, reader, admin = key(gateway, ours), key(gateway, ours, READING), gateway.token()
    to_user, given = await sent(gateway, sender, user_id=str(user.id)), await sent(gateway, sender, to=ADA)
    masked = {**NOTHING, "name": "Ada", "email": "a***@example.com"}
    assert await recipient(gateway, to_user, sender) == {**NOTHING, "is_user": True}
    assert await recipient(gateway, to_user, reader) == {**masked, "is_user": True}
    assert await recipient(gateway, to_user, gateway.token(user.id, "user")) == {**masked, "is_user": True}
    assert await recipient(gateway, given, sender) == {**masked, "is_user": False}
    known = {**masked, "fingerprint": fingerprint(user.email)}
    assert await recipient(gateway, to_user, admin) == {**known, "is_user": True}
    assert await recipient(gateway, given, admin) == {**known, "is_user": False}


async def test_devices_are_counted_and_topics_named(gateway) -> None:
    user = gateway.peers.add_user(push_tokens=(PushToken(token="device-1"), PushToken(token="device-2")))
    ours = key(gateway, uuid4())
    push = {"notification_type": "push", "headers": ours}
    ids = [
        await sent(gateway, **push, **to)
        for to in (
            {"user_id": str(user.id)}, {"to": {"push_tokens": ["device-1"]}}, {"to": {"topic": "news"}},
            {"to": {"condition": "'news' in topics"}},
        )
    ]  # fmt: skip
    seen = [await recipient(gateway, one, gateway.token()) for one in ids]
    assert [(one["is_user"], one["devices"], one["topic"]) for one in seen] == [
        (True, 2, None), (False, 1, None), (False, None, "news"), (False, None, "'news' in topics"),
    ]  # fmt: skip
    assert "device-1" not in str(seen)


async def test_who_is_not_known_yet_or_any_more_is_null(gateway) -> None:
    user = gateway.peers.add_user(preferences=Preferences(email=False, push=False))
    opted_out = await sent(gateway, gateway.token(), user_id=str(user.id))
    assert await recipient(gateway, opted_out, gateway.token()) == {**NOTHING, "is_user": True}


async def test_encrypted_recipients_are_shown_too(start) -> None:
    gateway = await start(data_encryption_keys=f"a:{b64encode(token_bytes(32)).decode()}")
    ours = key(gateway, uuid4(), READING)
    ids = [await sent(gateway, ours, to=ADA), await sent(gateway, ours, user_id=str(gateway.peers.add_user().id))]
    async with gateway.root.database.begin() as connection:
        stored = (await connection.execute(text("SELECT recipient, given_recipient FROM notifications"))).all()
    assert "example" not in str(stored)
    assert {(await recipient(gateway, one, ours))["email"] for one in ids} == {"a***@example.com"}

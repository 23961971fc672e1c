"""Copies of an e-mail: who may send them, and how they count."""

from uuid import UUID, uuid4

import pytest

from chassis.security import hash_api_key, new_api_key
from contracts.callers import ApiKeyInfo
from contracts.messages import NotificationMessage


@pytest.fixture(autouse=True)
def _template(peers) -> None:
    peers.add_template()


def _key(gateway, **changes: object) -> dict[str, str]:
    key = new_api_key()
    info = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=("notifications:write",), application_id=uuid4())
    gateway.peers.api_keys[hash_api_key(key)] = info.model_copy(update=changes)
    return {"X-API-Key": key}


async def test_each_address_is_there_once_and_as_it_was_written(gateway) -> None:
    email = {
        "cc": [" Bo@Example.com", "bo@example.com", "cy@bücher.example"],
        "bcc": ["BO@example.com", "dan@example.com", "dan@example.com"],
        "reply_to": "help@example.com",
    }
    user = gateway.peers.add_user()
    assert (await gateway.send(user_id=str(user.id), email=email)).status_code == 202
    [body] = await gateway.published()
    found = NotificationMessage.model_validate_json(body).email
    assert found is not None
    assert (found.cc, found.bcc) == (("Bo@example.com", "cy@bücher.example"), ("dan@example.com",))
    assert found.reply_to == "help@example.com"


async def test_people_send_no_copies(start) -> None:
    gateway = await start(users_may_send=True)
    user = gateway.peers.add_user()
    mine = {"user_id": str(user.id), "headers": gateway.token(user.id, "user")}
    for kind in ("cc", "bcc"):
        refused = await gateway.send(**mine, email={kind: ["bo@example.com"]})
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    assert (await gateway.send(**mine)).status_code == 202


async def test_a_copy_counts_against_the_callers_limit(gateway) -> None:
    headers = _key(gateway, rate_limit=6)
    user = str(gateway.peers.add_user().id)
    copies = {"cc": ["bo@example.com"], "bcc": ["cy@example.com"]}
    answers = [await gateway.send(user_id=user, email=copies, headers=headers) for _ in range(3)]
    assert [one.status_code for one in answers] == [202, 202, 429]


async def test_a_copy_counts_like_a_notification_to_its_address(start) -> None:
    gateway = await start(recipient_limit_per_hour=2)
    headers, other = _key(gateway), _key(gateway)
    ada, bo = (str(gateway.peers.add_user().id) for _ in range(2))

    async def send(headers: dict[str, str], **changes: object) -> int:
        return (await gateway.send(headers=headers, **changes)).status_code

    copy = {"email": {"bcc": ["third@example.com"]}}
    assert await send(headers, user_id=ada, **copy) == 202
    assert await send(headers, to={"email": "Third@example.com"}) == 202
    assert await send(headers, user_id=bo, **copy) == 429
    assert [await send(headers, user_id=bo) for _ in range(3)] == [202, 202, 429], "the refused one did not count"
    assert await send(other, user_id=ada, **copy) == 202, "an address is another recipient of another application"


async def test_copies_are_for_the_sender_alone(gateway) -> None:
    user = gateway.peers.add_user()
    sent = await gateway.send(user_id=str(user.id), email={"bcc": ["secret@example.com"]})
    name = sent.json()["data"]["notification_id"]
    seen = await gateway.http.get(f"/api/v1/notifications/{name}", headers=gateway.token(user.id, "user"))
    assert seen.status_code == 200
    assert "secret@example.com" not in seen.text
    assert UUID(name)

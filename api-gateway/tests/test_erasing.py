"""Erasing a deleted user: personal values go, counts and the proof stay. Exporting a user's notifications before that."""

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from api_gateway.services import personal_data
from chassis.broker import Publication
from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from contracts.topology import FAILED_KEY, FAILED_QUEUE
from testkit.dumping import dump
from testkit.eventually import eventually, other_tasks

SECRET = f"geheim-{uuid4().hex}"
KEYS = f"one:{base64.b64encode(os.urandom(32)).decode()}"
GIVEN = {"variables": {"name": SECRET, "exact": 1.10}, "metadata": {"order": SECRET}}


@pytest.fixture(autouse=True)
def _template(peers) -> None:
    peers.add_template()


async def _ask(gateway, path: str, **body: object) -> dict:
    headers = {"Authorization": f"Bearer {ServiceTokens(development_key('user-service')).issue('api-gateway')}"}
    answered = await gateway.http.post(f"/internal/{path}", json=body, headers=headers)
    assert answered.status_code == 200, answered.text
    return answered.json()["data"]


async def _accepted(gateway, user, **changes: object) -> str:
    answered = await gateway.send(user_id=str(user.id), **(GIVEN | changes))
    assert answered.status_code == 202, answered.text
    return answered.json()["data"]["notification_id"]


async def _dead_letter(gateway, *bodies: bytes) -> None:
    messages = [Publication(FAILED_KEY, body, str(uuid4())) for body in bodies]
    assert await gateway.broker.publish_many(messages) == [None] * len(bodies)


async def _is_gone(gateway) -> bool:
    return SECRET not in await dump(gateway.settings.database_url)


async def _of_every_kind(gateway, peers, user) -> dict[str, str]:
    """Sent, failed, scheduled, with a worker, and not looked up yet."""
    sent = await _accepted(gateway, user, request_id="r-1")
    overrides = {"push": {"data": {"order": SECRET}}}
    failed = await _accepted(gateway, user, notification_type="push", overrides=overrides)
    flying = await _accepted(gateway, user)
    for one in (sent, failed, flying):
        await gateway.until(one, "queued")
    await gateway.report(sent, "sent")
    await gateway.report(failed, "retrying", code="deferred", detail=f"not now, {SECRET}", attempts=1)
    await gateway.report(failed, "failed", code="bounced", detail=f"no {SECRET} here", attempts=2)
    await gateway.until(failed, "failed")
    later = await _accepted(gateway, user, send_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    peers.down = True
    unknown = await _accepted(gateway, user, template_code="not_looked_up_yet")
    peers.down = False
    return {"sent": sent, "failed": failed, "flying": flying, "later": later, "unknown": unknown}


@pytest.mark.parametrize("keys", [None, KEYS])
async def test_nothing_of_them_is_in_the_database_and_the_counts_stay(start, peers, keys) -> None:
    gateway = await start(data_encryption_keys=keys, relay_interval_seconds=1_000)
    user, other = peers.add_user(name=SECRET, email=f"{SECRET}@example.com"), peers.add_user(name="Bo")
    ids = await _of_every_kind(gateway, peers, user)
    kept = await _accepted(gateway, other, metadata={"order": "stays"}, variables={"name": "stays"})
    del peers.users[user.id]
    progress = await _ask(gateway, "erasures", user_id=str(user.id))
    assert progress | {"seconds": 0} == {
        "finished": True, "seconds": 0, "open": 1, "notifications": 5, "deliveries": 5, "failed_messages": 0,
    }  # fmt: skip
    assert await _is_gone(gateway)
    assert {UUID(one) for one in ids.values()} == set.union(*peers.forgotten.values())
    assert (await gateway.detail(ids["sent"]))["status"] == "sent"
    detail = await gateway.detail(ids["failed"])
    assert (detail["status"], detail["error"], detail["error_detail"], detail["metadata"]) == (
        "failed",
        "bounced",
        None,
        {},
    )
    assert [step["status"] for step in detail["timeline"]][-2:] == ["retrying", "failed"], "its timeline stays"
    for one in ("later", "unknown"):
        detail = await gateway.detail(ids[one])
        assert (detail["status"], detail["error"]) == ("cancelled", "user_erased")
    assert (await gateway.detail(kept))["metadata"] == {"order": "stays"}
    proof = (await gateway.http.get("/api/v1/reconcile?recount=true", headers=gateway.token())).json()["data"]
    assert (proof["accepted"], proof["unaccounted"]) == (6, 0)
    dumped = await dump(gateway.settings.database_url)
    hashes = [line for line in dumped.splitlines() if line.startswith("idempotency_keys") and kept not in line]
    assert len(hashes) == 5
    assert [line for line in hashes if '"",' not in line] == [], "a short value could be guessed"


async def test_an_open_notification_ends_by_its_report_and_the_providers_text_is_not_stored(start, peers) -> None:
    gateway, user = await start(), peers.add_user(name=SECRET)
    flying, sent = await _accepted(gateway, user), await _accepted(gateway, user)
    for one in (flying, sent):
        await gateway.until(one, "queued")
    await gateway.report(sent, "sent")
    await gateway.until(sent, "sent")
    assert (await _ask(gateway, "erasures", user_id=str(user.id)))["open"] == 1
    await gateway.report(flying, "failed", code="bounced", detail=f"no {SECRET}", attempts=1)
    await gateway.until(flying, "failed")
    assert (await gateway.callback(sent, "failed", error=f"{SECRET} moved")).status_code == 200
    assert (await gateway.detail(sent))["status"] == "failed"
    assert await _is_gone(gateway)
    assert (await _ask(gateway, "erasures", user_id=str(user.id)))["open"] == 0


@pytest.mark.parametrize("in_hand", [personal_data.IN_HAND, 2])
async def test_their_messages_are_taken_out_of_failed_queue_and_the_others_keep_their_places(
    start, peers, monkeypatch, in_hand: int
) -> None:
    monkeypatch.setattr(personal_data, "IN_HAND", in_hand)
    gateway, user, other = await start(), peers.add_user(name=SECRET), peers.add_user(name="Bo")
    failed = await _accepted(gateway, user)
    await gateway.report(failed, "failed", code="bounced", attempts=1)
    await gateway.until(failed, "failed")
    theirs = (await gateway.published())[0]
    others = [f'{{"user_id": "{other.id}", "place": {place}}}'.encode() for place in range(3)]
    await _dead_letter(gateway, others[0], theirs, b"no JSON", others[1], theirs, b"[]", others[2])
    assert (await _ask(gateway, "erasures", user_id=str(user.id)))["failed_messages"] == 2
    assert (await gateway.broker.depth(FAILED_QUEUE)).ready == 5
    assert await gateway.published(FAILED_QUEUE, 5) == [others[0], b"no JSON", others[1], b"[]", others[2]]
    assert (await _ask(gateway, "erasures", user_id=str(user.id)))["failed_messages"] == 0


async def test_erasing_a_user_without_failures_does_not_read_failed_queue(start, peers) -> None:
    gateway, user = await start(), peers.add_user()
    await gateway.until(await _accepted(gateway, user), "queued")
    await _dead_letter(gateway, f'{{"user_id": "{user.id}"}}'.encode())  # not by us
    assert (await _ask(gateway, "erasures", user_id=str(user.id)))["failed_messages"] == 0


async def test_an_erasure_waits_while_another_process_reads_failed_queue(start, peers) -> None:
    gateway, user = await start(), peers.add_user()
    failed = await _accepted(gateway, user)
    await gateway.report(failed, "failed", code="bounced", attempts=1)
    await gateway.until(failed, "failed")
    async with gateway.root.database.begin() as connection:
        assert await personal_data.personal_data.has_the_turn(connection)
        assert (await _ask(gateway, "erasures", user_id=str(user.id)))["finished"] is False
    assert (await _ask(gateway, "erasures", user_id=str(user.id)))["finished"] is True


async def test_a_slow_erasure_continues_and_the_next_request_gets_its_result(start, peers, monkeypatch) -> None:
    monkeypatch.setattr(personal_data, "ANSWER_SECONDS", 0.0)
    gateway, user = await start(), peers.add_user()
    await _accepted(gateway, user)

    async def finished() -> bool:
        progress = await _ask(gateway, "erasures", user_id=str(user.id))
        return progress["finished"] and progress["notifications"] == 1

    assert not await finished()
    await eventually(finished)


async def test_a_ledger_that_does_not_answer_makes_it_unavailable(start, peers) -> None:
    gateway, user = await start(), peers.add_user()
    await _accepted(gateway, user)
    peers.down = True
    headers = {"Authorization": f"Bearer {ServiceTokens(development_key('user-service')).issue('api-gateway')}"}
    ask = partial(gateway.http.post, "/internal/erasures", json={"user_id": str(user.id)}, headers=headers)
    assert (await ask()).status_code == 503
    peers.down = False
    await other_tasks()
    assert (await ask()).json()["data"]["finished"] is True


async def test_more_than_one_page_is_erased(start, peers, monkeypatch) -> None:
    monkeypatch.setattr(personal_data, "MAX_LEDGER_QUESTION", 2)
    gateway, user = await start(), peers.add_user(name=SECRET)
    for _ in range(5):
        await _accepted(gateway, user)
    progress = await _ask(gateway, "erasures", user_id=str(user.id))
    assert (progress["notifications"], progress["deliveries"]) == (5, 5)
    assert await _is_gone(gateway)


@pytest.mark.parametrize("keys", [None, KEYS])
async def test_an_export_has_the_values_exactly_as_they_were_sent(start, peers, keys) -> None:
    gateway = await start(data_encryption_keys=keys)
    user, application = peers.add_user(name=SECRET, email=f"{SECRET}@example.com"), uuid4()
    push = {"notification_type": "push", "overrides": {"push": {"data": {"order": SECRET}}}}
    ids = [await _accepted(gateway, user), await _accepted(gateway, user, **push), await _accepted(gateway, user)]
    await _accepted(gateway, peers.add_user())
    await gateway.until(ids[0], "queued")
    await gateway.report(ids[0], "failed", code="bounced", detail=f"no {SECRET}", attempts=1)
    await gateway.until(ids[0], "failed")
    page = await _ask(gateway, "exports", user_id=str(user.id), limit=2)
    assert ([one["notification_id"] for one in page["notifications"]], page["more"]) == (ids[:2], True)
    first = page["notifications"][0]
    assert first["variables"] == f'{{"name":"{SECRET}","exact":1.1}}'
    assert f'"{SECRET}@example.com"' in first["recipient"]
    assert (first["status"], first["code"], first["detail"]) == ("failed", "bounced", f"no {SECRET}")
    assert "metadata" not in first, "is the sender's"
    overrides = [one["overrides"] for one in page["notifications"]]
    assert [text and json.loads(text) for text in overrides] == [None, push["overrides"]]
    rest = await _ask(gateway, "exports", user_id=str(user.id), after=ids[1])
    assert ([one["notification_id"] for one in rest["notifications"]], rest["more"]) == (ids[2:], False)
    nothing = await _ask(gateway, "exports", user_id=str(user.id), application_id=str(application))
    assert nothing["notifications"] == [], "that application sent nothing to them"
    for caller in ("key", "test"):
        await gateway.change(f"UPDATE notifications SET caller = '{caller}:{application}' WHERE id = '{ids[1]}'")
        own = await _ask(gateway, "exports", user_id=str(user.id), application_id=str(application))
        assert [one["notification_id"] for one in own["notifications"]] == [ids[1]]
    await gateway.change(f"UPDATE notifications SET caller = 'service:user-service' WHERE id = '{ids[1]}'")
    page = await _ask(gateway, "exports", user_id=str(user.id))
    assert [one["variables"] is None for one in page["notifications"]] == [False, True, False], (
        "its token opens an account"
    )

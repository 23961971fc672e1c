"""Files of an e-mail: accepted whole or refused, stored outside of the notification's row, given to its worker."""

import asyncio
import base64
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import text

from api_gateway.repositories.personal import PERSONAL
from chassis.postgres.database import Database
from chassis.security import ServiceTokens, hash_api_key, new_api_key
from chassis.security.data_keys import DataKeys
from chassis.security.service_keys import development_key
from chassis.server.reencrypting import reencrypt
from contracts.callers import ApiKeyInfo
from contracts.emails import MAX_ATTACHMENT_BYTES, AttachmentRef, EmailOptions
from contracts.messages import NotificationMessage
from testkit.dumping import dump
from testkit.eventually import eventually, other_tasks

PDF = b"%PDF-1.7\r\n" + bytes(range(256)) * 4
NAME = "Rechnung \N{EURO SIGN} \N{GRINNING FACE}.pdf"
KEYS, OTHER_KEYS = (f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in ("one", "two"))


@pytest.fixture(autouse=True)
def _template(peers) -> None:
    peers.add_template()


def attachment(data: bytes = PDF, **changes: object) -> dict[str, object]:
    given = {"filename": NAME, "content_type": "application/pdf", "content": base64.b64encode(data).decode()}
    return given | changes


def options(**changes: object) -> dict[str, object]:
    return {"attachments": [attachment()], **changes}


async def accepted(gateway, **changes: object) -> str:
    user = gateway.peers.add_user()
    answered = await gateway.send(**{"user_id": str(user.id), "email": options(), **changes})
    assert answered.status_code == 202, answered.text
    return str(answered.json()["data"]["notification_id"])


async def asked_of(gateway) -> EmailOptions:
    """What the next message says."""
    [body] = await gateway.published()
    found = NotificationMessage.model_validate_json(body).email
    assert found is not None
    return found


async def content_of(gateway, ref: AttachmentRef, *, service: str = "email-service") -> httpx2.Response:
    token = ServiceTokens(development_key(service)).issue("api-gateway")
    return await gateway.http.get(f"/internal/attachments/{ref.id}", headers={"Authorization": f"Bearer {token}"})


async def rows(gateway) -> int:
    database = Database(gateway.settings.database_url)
    async with database.begin() as connection:
        number = await connection.scalar(text("SELECT count(*) FROM attachments"))
    await database.close()
    return int(number)


async def test_a_file_reaches_the_worker_byte_for_byte(gateway) -> None:
    name = await accepted(gateway)
    [ref] = (await asked_of(gateway)).attachments
    assert (ref.filename, ref.content_type, ref.size) == (NAME, "application/pdf", len(PDF))
    assert (ref.sha256, ref.disposition, ref.content_id) == (sha256(PDF).hexdigest(), "attachment", None)
    answered = await content_of(gateway, ref)
    assert (answered.status_code, answered.content) == (200, PDF)
    assert (await content_of(gateway, ref, service="push-service")).status_code == 403
    shown = {"filename": NAME, "content_type": "application/pdf", "size": len(PDF), "content_id": None}
    assert (await gateway.detail(name))["attachments"] == [shown]
    listed = await gateway.http.get("/api/v1/notifications", headers=gateway.token())
    assert [one["attachments"] for one in listed.json()["data"]] == [[shown]]
    assert base64.b64encode(PDF).decode() not in listed.text


async def test_a_picture_of_the_html_part_is_inline(gateway) -> None:
    picture = attachment(b"\x89PNG", filename="logo.png", content_type="image/png", content_id="logo@1")
    await accepted(gateway, email={"attachments": [picture, attachment()]})
    logo, pdf = (await asked_of(gateway)).attachments
    assert (logo.disposition, logo.content_id, pdf.disposition) == ("inline", "logo@1", "attachment")


async def test_an_empty_object_counts_as_absent(gateway) -> None:
    user = gateway.peers.add_user()
    for nothing in (None, {}, {"cc": None, "attachments": []}):
        answered = await gateway.send(user_id=str(user.id), email=nothing, request_id="same")
        assert answered.status_code == 202
    [body] = await gateway.published()
    assert b'"email":{' not in body


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"attachments": [attachment(content="JVBERi0xLjcK\n")]}, "email.attachments.0.content"),
        ({"attachments": [attachment(content="JVBERi0xLj")]}, "email.attachments.0.content"),
        ({"attachments": [attachment(content="JVBE_-0x")]}, "email.attachments.0.content"),
        ({"attachments": [attachment(content="")]}, "email.attachments.0.content"),
        ({"attachments": [attachment(content=7)]}, "email.attachments.0.content"),
        ({"attachments": [attachment(filename="../x.pdf")]}, "email.attachments.0.filename"),
        ({"attachments": [attachment(filename="C:\\x.pdf")]}, "email.attachments.0.filename"),
        ({"attachments": [attachment(filename="x\r\nBcc: v@e.example")]}, "email.attachments.0.filename"),
        ({"attachments": [attachment(filename="fdp.\u202eexe")]}, "email.attachments.0.filename"),
        ({"attachments": [attachment(filename="=?utf-8?B?SGk=?=.pdf")]}, "email.attachments.0.filename"),
        ({"attachments": [attachment(filename=" ")]}, "email.attachments.0.filename"),
        ({"attachments": [attachment(filename="ü" * 128)]}, "email.attachments.0.filename"),
        ({"attachments": [attachment(content_type="pdf")]}, "email.attachments.0.content_type"),
        ({"attachments": [attachment(content_type="text/plain\r\nX: y")]}, "email.attachments.0.content_type"),
        ({"attachments": [attachment(content_type="multipart/mixed")]}, "email.attachments.0.content_type"),
        ({"attachments": [attachment(content_type="message/rfc822")]}, "email.attachments.0.content_type"),
        ({"attachments": [attachment(content_id="<logo>")]}, "email.attachments.0.content_id"),
        ({"attachments": [attachment(content_id="a"), attachment(content_id="a")]}, "email.attachments"),
        ({"attachments": [attachment(url="https://example.com/x.pdf")]}, "email.attachments.0.url"),
        ({"attachments": [attachment()] * 11}, "email.attachments"),
        ({"attachment": []}, "email.attachment"),
        ("ada@example.com", "email"),
        ({"cc": ["a@example.com, b@example.com"]}, "email.cc.0"),
        ({"bcc": ["ü@example.com"]}, "email.bcc.0"),
        ({"reply_to": "nobody"}, "email.reply_to"),
        ({"cc": [f"{number}@example.com" for number in range(11)]}, "email.cc"),
    ],
)
async def test_what_cannot_be_sent_is_refused_by_name(gateway, given, field) -> None:
    user = gateway.peers.add_user()
    answered = await gateway.send(user_id=str(user.id), email=given)
    assert answered.status_code == 422, answered.text
    assert [one["field"] for one in answered.json()["data"]["errors"]] == [field]


async def test_all_files_together_have_a_limit(gateway) -> None:
    user = gateway.peers.add_user()
    half = attachment(bytes(MAX_ATTACHMENT_BYTES // 2))
    assert (await gateway.send(user_id=str(user.id), email={"attachments": [half, half]})).status_code == 202
    refused = await gateway.send(user_id=str(user.id), email={"attachments": [half, half, attachment(b"x")]})
    assert (refused.status_code, refused.json()["data"]["errors"][0]["field"]) == (422, "email.attachments")


async def test_a_push_has_no_email_options(gateway) -> None:
    user = gateway.peers.add_user()
    answered = await gateway.send(user_id=str(user.id), notification_type="push", email=options())
    assert (answered.status_code, answered.json()["data"]["errors"][0]["field"]) == (422, "email")


async def test_a_repeat_gets_the_first_answer_and_is_stored_once(gateway) -> None:
    user = str(gateway.peers.add_user().id)
    first, *others = [await gateway.send(user_id=user, request_id="r", email=options()) for _ in range(3)]
    assert [one.headers["Idempotent-Replayed"] for one in others] == ["true", "true"]
    assert {one.json()["data"]["notification_id"] for one in others} == {first.json()["data"]["notification_id"]}
    assert await rows(gateway) == 1
    other = {"attachments": [attachment(PDF + b"x")]}
    for changed in (other, options(cc=["bo@example.com"]), None):
        refused = await gateway.send(user_id=user, request_id="r", email=changed)
        assert (refused.status_code, refused.json()["error"]) == (422, "idempotency_key_reused")
    assert await rows(gateway) == 1


async def test_many_simultaneous_requests_with_one_request_id_store_one_row(gateway) -> None:
    user = str(gateway.peers.add_user().id)
    sent = [gateway.send(user_id=user, request_id="r", email=options()) for _ in range(8)]
    answers = await asyncio.gather(*sent)
    assert {one.status_code for one in answers} == {202}
    assert len({one.json()["data"]["notification_id"] for one in answers}) == 1
    assert await rows(gateway) == 1


async def test_a_scheduled_and_a_retried_notification_still_have_them(start) -> None:
    gateway = await start(lease_seconds=5)
    soon = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
    name = await accepted(gateway, send_at=soon, email=options(cc=["bo@example.com"], reply_to="help@example.com"))
    first = await asked_of(gateway)
    assert (first.cc, first.reply_to) == (("bo@example.com",), "help@example.com")
    await gateway.until(name, "queued")
    await gateway.report(name, "failed", code="bounced", attempts=1)
    await gateway.until(name, "failed")
    await gateway.http.post(f"/api/v1/notifications/{name}/retry", headers=gateway.token())
    assert await asked_of(gateway) == first
    assert (await content_of(gateway, first.attachments[0])).content == PDF


async def test_an_item_of_a_batch_may_have_copies_and_no_files(gateway) -> None:
    user = str(gateway.peers.add_user().id)
    item = {"notification_type": "email", "template_code": "welcome", "variables": {"name": "Ada"}, "user_id": user}
    items = [{**item, "email": options()}, {**item, "email": {"bcc": ["bo@example.com"]}}]
    answered = await gateway.http.post("/api/v1/notifications/batch", json=items, headers=gateway.token())
    refused, taken = answered.json()["data"]["results"]
    assert (refused["status_code"], refused["data"]["errors"][0]["field"]) == (422, "email.attachments")
    assert taken["status_code"] == 202
    assert (await asked_of(gateway)).bcc == ("bo@example.com",)


@pytest.mark.parametrize("keys", [None, KEYS])
async def test_an_erased_persons_files_are_gone(start, keys) -> None:
    gateway = await start(data_encryption_keys=keys)
    user = gateway.peers.add_user()
    await accepted(gateway, user_id=str(user.id), email=options(cc=["bo@example.com"]))
    [ref] = (await asked_of(gateway)).attachments
    kept = await accepted(gateway)
    token = ServiceTokens(development_key("user-service")).issue("api-gateway")
    answered = await gateway.http.post(
        "/internal/erasures", json={"user_id": str(user.id)}, headers={"Authorization": f"Bearer {token}"}
    )
    assert answered.json()["data"]["notifications"] == 1
    gone = await content_of(gateway, ref)
    assert (gone.status_code, gone.json()["error"]) == (404, "attachment_not_found")
    assert await rows(gateway) == 1
    assert len((await gateway.detail(kept))["attachments"]) == 1


async def test_with_a_key_the_database_says_nothing_of_them_and_the_key_can_be_changed(start) -> None:
    gateway = await start(data_encryption_keys=KEYS, relay_interval_seconds=1_000)
    await accepted(gateway, email=options(cc=["third.person@example.com"]))
    [ref] = (await asked_of(gateway)).attachments
    url, database = gateway.settings.database_url, Database(gateway.settings.database_url)
    for keys, sealed in ((f"{OTHER_KEYS},{KEYS}", True), (f"plain,{OTHER_KEYS}", False), (KEYS, True)):
        for table in PERSONAL:
            assert (await reencrypt(database, table, DataKeys.parse(keys))).undecryptable == 0
        dumped = await dump(url)
        found = [said in dumped for said in (NAME, "third.person", PDF[:40].hex())]
        assert found == [not sealed] * 3
        reading = await start(data_encryption_keys=keys, relay_interval_seconds=1_000)
        assert (await content_of(reading, ref)).content == PDF
    await database.close()


async def test_they_go_with_their_notification(gateway) -> None:
    name = await accepted(gateway)
    await gateway.change(f"DELETE FROM notifications WHERE id = '{name}'")
    assert await rows(gateway) == 0


async def test_a_test_keys_files_are_kept_like_others(gateway) -> None:
    """A test shows what a live key would get. Its worker fetches nothing."""
    key = new_api_key()
    info = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=("notifications:write",), application_id=uuid4(), test=True)
    gateway.peers.api_keys[hash_api_key(key)] = info
    name = await accepted(gateway, headers={"X-API-Key": key})
    detail = await gateway.detail(name)
    assert (detail["test"], len(detail["attachments"])) == (True, 1)


async def test_only_a_notification_with_files_may_be_large(start) -> None:
    gateway = await start(max_body_bytes=2_097_152)
    user = str(gateway.peers.add_user().id)
    large = attachment(bytes(3_000_000))
    assert (await gateway.send(user_id=user, email={"attachments": [large]})).status_code == 202
    assert (await gateway.send(user_id=user, unknown_field="x" * 3_000_000)).status_code == 413
    item = {
        "notification_type": "email",
        "template_code": "welcome",
        "user_id": user,
        "email": {"attachments": [large]},
    }
    assert (
        await gateway.http.post("/api/v1/notifications/batch", json=[item], headers=gateway.token())
    ).status_code == 413
    assert (await gateway.http.post("/api/v1/failed/replay", content=b"x" * 3_000_000)).status_code == 413
    assert (await gateway.send(user_id=user, email={"attachments": [attachment(bytes(8_000_000))]})).status_code == 413


async def test_large_bodies_are_read_a_few_at_a_time(start) -> None:
    """Further large requests wait with their bodies unread; a small notification does not wait."""
    gateway = await start(large_bodies_at_once=2)
    user = str(gateway.peers.add_user().id)
    reading: list[int] = []
    go_on = asyncio.Event()

    async def post(number: int) -> httpx2.Response:
        body = [b'{"email": {"attachments": []}', b" " * 2_000_000, b"}"]

        async def parts():
            reading.append(number)
            yield body[0]
            await go_on.wait()
            yield body[1]
            yield body[2]

        length = str(sum(map(len, body)))
        headers = {**gateway.token(UUID(int=number)), "Content-Length": length}
        return await gateway.http.post("/api/v1/notifications", content=parts(), headers=headers)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(post(number)) for number in (1, 2, 3, 4)]
        await eventually(lambda: len(reading) == 2)
        assert (await gateway.send(user_id=user)).status_code == 202
        assert len(reading) == 2
        go_on.set()
    assert [task.result().status_code for task in tasks] == [422] * 4
    assert sorted(reading) == [1, 2, 3, 4]
    await other_tasks()

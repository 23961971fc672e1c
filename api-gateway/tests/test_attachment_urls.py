"""Attachments by URL: fetched once, when they are accepted, and then as if they had been sent; or refused by name."""

import asyncio
import base64
from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
import pytest
from pydantic import ValidationError

from api_gateway.services import fetching
from api_gateway.settings import GatewaySettings
from chassis.process.yielding import AT_A_TIME
from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from contracts.emails import MAX_ATTACHMENT_BYTES
from contracts.messages import NotificationMessage
from testkit.dumping import dump
from testkit.eventually import eventually
from testkit.file_server import Answer, FileServer, file_answer, running_file_server

PDF = b"%PDF-1.7\r\n" + bytes(range(256)) * 40
SIGNED = "/a.pdf?signature=c2lnbmVkLWJ5LXVz"
STALLS = Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789", stalls=True)


@pytest.fixture(autouse=True)
def _template(peers) -> None:
    peers.add_template()


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    async with running_file_server() as made:
        made.answers |= {"/a.pdf": file_answer(PDF), "/stalls": STALLS}
        yield made


@pytest.fixture
async def gateway(start):
    return await start(attachment_urls="any")


def attached(files: FileServer | int, *paths: str, **changes: object) -> dict[str, object]:
    port = files if isinstance(files, int) else files.port
    urls = [f"http://127.0.0.1:{port}{path}" for path in paths]
    file = {"filename": "a.pdf", "content_type": "application/pdf"}
    return {"attachments": [{**file, "url": url, **changes} for url in urls]}


def errors_of(answered: httpx2.Response) -> list[tuple[str, str]]:
    return [(one["field"], one["message"]) for one in answered.json()["data"]["errors"]]


def ada(gateway) -> str:
    return str(gateway.peers.add_user().id)


async def kept(gateway) -> list[bytes]:
    """The files of the next message, as the worker gets them."""
    [body] = await gateway.published()
    message = NotificationMessage.model_validate_json(body)
    assert message.email is not None
    token = ServiceTokens(development_key("email-service")).issue("api-gateway")
    headers = {"Authorization": f"Bearer {token}"}
    got = [
        await gateway.http.get(f"/internal/attachments/{ref.id}", headers=headers) for ref in message.email.attachments
    ]
    assert [len(one.content) for one in got] == [ref.size for ref in message.email.attachments]
    return [one.content for one in got]


async def test_a_file_is_fetched_once_and_kept_as_if_it_had_been_sent(gateway, files) -> None:
    sent = {"user_id": ada(gateway), "request_id": "r", "email": attached(files, SIGNED)}
    first = await gateway.send(**sent)
    files.answers.clear()  # the link has expired
    answers = [first, *[await gateway.send(**sent) for _ in range(2)]]
    assert [one.status_code for one in answers] == [202] * 3, first.text
    assert [one.headers.get("Idempotent-Replayed") for one in answers] == [None, "true", "true"]
    assert len({one.json()["data"]["notification_id"] for one in answers}) == 1
    assert files.paths == [SIGNED], "a repeat fetches nothing"
    assert await kept(gateway) == [PDF]
    other = await gateway.send(**{**sent, "email": attached(files, "/b.pdf")})
    assert (other.status_code, other.json()["error"]) == (422, "idempotency_key_reused")
    assert files.paths == [SIGNED]
    assert "c2lnbmVkLWJ5LXVz" not in await dump(gateway.settings.database_url), "the URL is kept nowhere"


async def test_sent_and_fetched_files_keep_their_order(gateway, files) -> None:
    files.answers["/b.pdf"] = file_answer(b"b")
    email = attached(files, "/a.pdf", "/b.pdf")
    email["attachments"].insert(1, {"filename": "c", "content_type": "text/plain", "content": "Yw=="})
    assert (await gateway.send(user_id=ada(gateway), email=email)).status_code == 202
    assert await kept(gateway) == [PDF, b"c", b"b"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (file_answer(b"", status="404 Not Found"), "was answered with 404"),
        (file_answer(b"", "Location: /a.pdf", status="302 Found"), "was answered with 302"),
        (file_answer(PDF, "Content-Encoding: gzip"), "was answered with compressed data"),
        (file_answer(b"<p>Log in", content_type="text/html; charset=utf-8"), "was answered with a web page"),
        (Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789"), "was answered with less than announced"),
        (Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", endless=b"1000\r\n" + bytes(4096) + b"\r\n"),
         "is too large"),
        (STALLS, "was not answered in time"),
    ],
)  # fmt: skip
async def test_what_cannot_be_fetched_is_refused_by_name(gateway, files, monkeypatch, answer, reason) -> None:
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 0.5 if answer is STALLS else 15.0)
    files.answers["/x"] = answer
    sent = {"user_id": ada(gateway), "request_id": "r", "email": attached(files, "/a.pdf", "/x")}
    refused = await gateway.send(**sent)
    assert (refused.status_code, refused.json()["error"]) == (422, "attachment_unreachable")
    assert errors_of(refused) == [("email.attachments.1.url", reason)]
    files.answers["/x"] = file_answer(b"mended")
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 15.0)
    assert (await gateway.send(**sent)).status_code == 202, "nothing was accepted before"
    assert await kept(gateway) == [PDF, b"mended"]


async def test_a_web_page_may_be_sent_as_one(gateway, files) -> None:
    files.answers["/x"] = file_answer(b"<p>Hi", content_type="text/html")
    email = attached(files, "/x", content_type="text/html")
    assert (await gateway.send(user_id=ada(gateway), email=email)).status_code == 202


async def test_all_files_together_have_a_limit(gateway, files) -> None:
    files.answers |= {"/whole": file_answer(bytes(MAX_ATTACHMENT_BYTES)), "/rest": file_answer(bytes(10))}
    assert (await gateway.send(user_id=ada(gateway), email=attached(files, "/whole"))).status_code == 202
    sent = {"filename": "x", "content_type": "text/plain", "content": "eA=="}
    beside = {"attachments": [sent, *attached(files, "/whole")["attachments"]]}
    for email in (attached(files, "/whole", "/rest"), beside):
        refused = await gateway.send(user_id=ada(gateway), email=email)
        assert errors_of(refused) == [("email.attachments.1.url", "is too large")]


async def test_a_large_body_does_not_hold_its_place_while_files_are_fetched(gateway, files) -> None:
    email = attached(files, "/a.pdf")
    content = base64.b64encode(bytes(1_000_000)).decode()
    email["attachments"].append({"filename": "x", "content_type": "text/plain", "content": content})
    refused = await gateway.send(user_id=ada(gateway), email=email)
    assert (refused.status_code, refused.json()["error"], files.asked) == (413, "payload_too_large", [])


async def test_files_of_a_refused_notification_are_not_fetched(gateway, files) -> None:
    email = attached(files, "/a.pdf")
    assert (await gateway.send(user_id=str(UUID(int=9)), email=email)).json()["error"] == "user_not_found"
    user = ada(gateway)
    assert (await gateway.send(user_id=user, template_code="none", email=email)).json()["error"] == "template_not_found"
    late = await gateway.send(user_id=user, expires_at="2020-01-01T00:00:00Z", email=email)
    assert errors_of(late) == [("expires_at", "must lie after now")]
    assert files.asked == []


async def test_it_is_accepted_while_the_look_ups_are_not_possible(gateway, files) -> None:
    user = ada(gateway)
    gateway.peers.down = True
    answered = await gateway.send(user_id=user, email=attached(files, "/a.pdf"))
    assert (answered.status_code, answered.json()["data"]["status"]) == (202, "pending")
    gateway.peers.down = False
    assert await kept(gateway) == [PDF]


async def test_the_operator_decides_what_may_be_fetched(start, files) -> None:
    for changes, reason in (
        ({}, "is not fetched here; send the content"),
        ({"attachment_urls": "public"}, "must begin with https://"),
    ):
        gateway = await start(**changes)
        refused = await gateway.send(user_id=ada(gateway), email=attached(files, "/a.pdf"))
        assert errors_of(refused) == [("email.attachments.0.url", reason)]
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "169.254.169.254"):
        email = attached(files, "", url=f"https://{host}:{files.port}/a.pdf")
        refused = await gateway.send(user_id=ada(gateway), email=email)
        assert errors_of(refused) == [("email.attachments.0.url", "leads to an address that is not public")]
    assert files.asked == []


def test_production_fetches_nothing_from_its_own_network() -> None:
    with pytest.raises(ValidationError, match="must be off or public in production"):
        GatewaySettings(_env_file=None, environment="production", attachment_urls="any")


@pytest.mark.parametrize(
    "given",
    [
        {}, {"content": None, "url": None}, {"content": "JVBERi0xLjcK", "url": "https://example.com/x"},
        {"url": ""}, {"url": 7}, {"url": "ftp://example.com/x"}, {"url": "https://user:secret@example.com/x"},
        {"url": "https:///x"}, {"url": "https://example.com/ x"}, {"url": "https://example.com/\u0000"},
        {"url": "https://example.com/" + "x" * 2_048},
    ],
)  # fmt: skip
async def test_a_file_comes_one_way_and_a_url_is_one(gateway, given) -> None:
    file = {"filename": "a.pdf", "content_type": "application/pdf", **given}
    refused = await gateway.send(user_id=ada(gateway), email={"attachments": [file]})
    assert (refused.status_code, refused.json()["error"]) == (422, "validation_error")
    assert [field for field, _ in errors_of(refused)] == ["email.attachments.0.url"]
    assert "secret" not in refused.text


async def test_people_cannot_make_the_gateway_fetch_urls(start, files) -> None:
    gateway = await start(attachment_urls="any", users_may_send=True)
    user = gateway.peers.add_user()
    headers = gateway.token(user.id, role="user")
    refused = await gateway.send(user_id=str(user.id), email=attached(files, "/a.pdf"), headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    assert files.asked == []


# A batch.


async def batch(gateway, *emails: dict[str, object] | None, user: str | None = None) -> httpx2.Response:
    user = user or ada(gateway)
    item = {"notification_type": "email", "template_code": "welcome", "variables": {"name": "Ada"}, "user_id": user}
    items = [{**item, "request_id": f"r{place}", "email": email} for place, email in enumerate(emails)]
    return await gateway.http.post(
        "/api/v1/notifications/batch", json={"notifications": items}, headers=gateway.token(UUID(int=2))
    )


async def test_items_of_a_batch_are_fetched_for_one_by_one(gateway, files) -> None:
    content = {"filename": "a.pdf", "content_type": "application/pdf", "content": "JVBERi0xLjcK"}
    emails = (
        None, attached(files, "/a.pdf"), attached(files, "/none"), {"attachments": [content]}, attached(files, "/a.pdf"),
        {"cc": ["bo@example.com"]},
    )  # fmt: skip
    user = ada(gateway)
    answered = await batch(gateway, *emails, user=user)
    results = answered.json()["data"]["results"]
    assert [one["index"] for one in results] == [0, 1, 2, 3, 4, 5]
    assert [one["status_code"] for one in results] == [202, 202, 422, 422, 202, 202]
    assert results[2]["error"] == "attachment_unreachable"
    assert results[2]["data"]["errors"] == [{"field": "email.attachments.0.url", "message": "was answered with 404"}]
    assert results[3]["data"]["errors"][0]["field"] == "email.attachments"
    assert sorted(files.paths) == ["/a.pdf", "/a.pdf", "/none"]
    files.answers["/none"] = file_answer(PDF)
    again = (await batch(gateway, *emails, user=user)).json()["data"]
    assert (again["accepted"], again["replayed"], again["rejected"]) == (1, 4, 1)
    assert len(files.paths) == 4, "what was accepted is not fetched again"


async def test_a_batch_of_files_that_cannot_be_had_is_refused(gateway, files) -> None:
    refused = await batch(gateway, *[attached(files, "/none")] * 3)
    assert (refused.status_code, refused.json()["error"]) == (422, "batch_rejected")


async def test_a_batch_that_takes_too_long_is_finished_by_the_same_batch_again(gateway, files, monkeypatch) -> None:
    user, emails = ada(gateway), [None, *[attached(files, "/a.pdf")] * 3]
    monkeypatch.setattr(fetching, "BATCH_SECONDS", -1.0)
    first = (await batch(gateway, *emails, user=user)).json()["data"]
    assert [one["status_code"] for one in first["results"]] == [202, 429, 429, 429]
    monkeypatch.setattr(fetching, "BATCH_SECONDS", 10.0)
    second = (await batch(gateway, *emails, user=user)).json()["data"]
    assert (second["accepted"], second["replayed"]) == (3, 1)


# A stranger's server that is slow.


@pytest.fixture
async def stalled(start, files):
    """A gateway with one database connection, and an urgent request of caller 1 whose file does not come."""
    gateway = await start(attachment_urls="any", attachment_fetches_at_once=4, database_pool_size=1)
    waiting = asyncio.create_task(
        gateway.send(user_id=ada(gateway), priority=10, email=attached(files, "/stalls"), request_id="stalled")
    )
    await eventually(lambda: files.asked)
    yield gateway
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_nothing_else_waits_for_a_slow_server(stalled, files) -> None:
    async with asyncio.timeout(5):
        assert (await stalled.send(user_id=ada(stalled))).status_code == 202
        assert (await stalled.send(user_id=ada(stalled), email=attached(files, "/a.pdf"))).status_code == 202
        assert (await stalled.send_batch(user_id=ada(stalled))).status_code == 202
        content = {"filename": "a.pdf", "content_type": "application/pdf", "content": base64.b64encode(PDF).decode()}
        assert (await stalled.send(user_id=ada(stalled), email={"attachments": [content]})).status_code == 202
        assert len(await stalled.published(number=AT_A_TIME + 4)) == AT_A_TIME + 4


async def test_the_plain_items_of_a_batch_are_accepted_before_the_slow_ones(gateway, files) -> None:
    waiting = asyncio.create_task(batch(gateway, None, attached(files, "/stalls")))
    async with asyncio.timeout(5):
        await gateway.published()
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_one_caller_has_half_of_the_fetches_and_who_waits_too_long_is_refused(
    stalled, files, monkeypatch
) -> None:
    monkeypatch.setattr(fetching, "TURN_SECONDS", 0.3)
    second = asyncio.create_task(stalled.send(user_id=ada(stalled), email=attached(files, "/stalls")))
    await eventually(lambda: len(files.asked) == 2)
    refused = await stalled.send(user_id=ada(stalled), email=attached(files, "/a.pdf"))
    assert (refused.status_code, refused.json()["error"], refused.headers["Retry-After"]) == (429, "rate_limited", "5")
    other = stalled.token(UUID(int=7))
    assert (await stalled.send(user_id=ada(stalled), email=attached(files, "/a.pdf"), headers=other)).status_code == 202
    assert len(files.asked) == 3
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert (await stalled.send(user_id=ada(stalled), email=attached(files, "/a.pdf"))).status_code == 202


async def test_a_caller_who_hangs_up_leaves_no_fetch_behind(gateway, files) -> None:
    waiting = asyncio.create_task(gateway.send(user_id=ada(gateway), email=attached(files, "/stalls")))
    await eventually(lambda: files.open)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await eventually(lambda: not files.open)

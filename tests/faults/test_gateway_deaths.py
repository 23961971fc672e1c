"""Gateways killed at each step of accepting (faults 5 to 7), and many requests that are one (fault 25)."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import httpx2
import pytest

from contracts.messages import NotificationMessage, TemplateRef
from contracts.recipients import EmailRecipient
from tests.faults.lab import Lab, letter


@contextmanager
def posting(lab: Lab, asked: dict[str, object]) -> Iterator[None]:
    """A client that waits for its answer, which never comes: the gateway dies inside the block."""
    answers: list[httpx2.Response] = []

    def post() -> None:
        with pytest.raises(httpx2.HTTPError):
            answers.append(lab.system.http.post(f"{lab.system.gateway}/api/v1/notifications/", json=asked))

    client = threading.Thread(target=post)
    client.start()
    yield
    client.join(30)
    assert answers == []


def test_5_killed_after_publishing_before_it_says_queued(lab: Lab) -> None:
    user = lab.user()
    lab.freeze_rabbit()
    name = lab.system.send("email", user)
    with lab.holding("api-gateway", f"SELECT 1 FROM notifications WHERE id = '{name}' FOR UPDATE"):
        lab.thaw_rabbit()  # the message goes out; the mark waits for the lock
        lab.until(lambda: lab.copies()[name] == 1, "the provider has it")
        lab.kill("api-gateway")
        lab.cut_off("api-gateway")
    assert lab.statuses([name]) == {name: "pending"}
    lab.start_again("api-gateway")
    lab.prove(5, "gateway killed after publishing, before `queued` is written", [name])


def test_6_killed_before_the_commit(lab: Lab) -> None:
    user, request = lab.user(), str(uuid4())
    rows = "SELECT count(*) AS rows FROM notifications WHERE request_id = $1"
    with (
        lab.holding("api-gateway", "LOCK TABLE idempotency_keys IN EXCLUSIVE MODE"),
        posting(lab, letter(user, request_id=request)),
    ):
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%idempotency_keys%'"
        lab.until(lambda: bool(lab.sql("api-gateway", waiting)), "the insert waits for the lock")
        lab.kill("api-gateway")
        lab.cut_off("api-gateway")
    lab.until(lambda: not lab.sql("api-gateway", waiting), "its connection is gone")
    assert lab.sql("api-gateway", rows, request)[0]["rows"] == 0
    lab.start_again("api-gateway")
    again = lab.system.call("POST", "/notifications/", letter(user, request_id=request), status=202)
    lab.prove(6, "gateway killed before the commit; the client tries again", [again["notification_id"]])
    assert lab.sql("api-gateway", rows, request)[0]["rows"] == 1


def test_7_killed_after_the_commit_before_the_answer(lab: Lab) -> None:
    user, request = lab.user(), str(uuid4())
    with lab.commits_unanswered(), posting(lab, letter(user, request_id=request)):
        lab.until(lab.commit_waits, "the commit is on disk and its answer waits")
        lab.kill("api-gateway")
    made = "SELECT id::text FROM notifications WHERE request_id = $1"
    lab.until(lambda: len(lab.sql("api-gateway", made, request)) == 1, "the row is there")
    lab.start_again("api-gateway")
    again = lab.system.call("POST", "/notifications/", letter(user, request_id=request), status=202)
    assert [row["id"] for row in lab.sql("api-gateway", made, request)] == [again["notification_id"]]
    lab.prove(7, "gateway killed after the commit, before the answer", [again["notification_id"]])


def test_25_many_requests_that_are_one(lab: Lab) -> None:
    user, request = lab.user(), str(uuid4())
    url = f"{lab.system.gateway}/api/v1/notifications/"

    def post(_place: int) -> httpx2.Response:
        return lab.system.http.post(url, json=letter(user, request_id=request))

    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(post, range(50)))
    assert {answer.status_code for answer in answers} == {202}
    ids = {answer.json()["data"]["notification_id"] for answer in answers}
    assert len(ids) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 49
    other = lab.system.http.post(url, json=letter(user, request_id=request, priority=1))
    assert (other.status_code, other.json()["error"]) == (422, "idempotency_key_reused")
    lab.prove(25, "fifty equal requests at once", ids)


def test_25_the_same_message_twice(lab: Lab) -> None:
    user = lab.user()
    lab.system.stop_service("email-service")
    name = lab.system.send("email", user)
    lab.until(lambda: lab.status(name) == "queued", "queued")
    notification = lab.detail(name)
    message = NotificationMessage(
        notification_id=name, request_id=notification["request_id"], correlation_id="c", notification_type="email",
        user_id=user, template=TemplateRef(code="welcome", version=1, language="en"), priority=5,
        variables={"name": "Ada", "link": "https://example.com/x"}, created_at=notification["created_at"],
        recipient=EmailRecipient(name="Ada", email="ada@example.com"),
    )  # fmt: skip
    for _ in range(3):
        lab.publish("email", message.model_dump_json().encode(), message_id=name)
    lab.start_again("email-service")
    lab.prove(25, "the same message four times in the queue", [name])
    lab.until(lambda: lab.depth("email.queue") == 0, "every copy was taken")
    assert lab.copies()[name] == 1

"""Load on the public API: `locust -f locustfile.py --host=http://localhost:8000 --users 100 --spawn-rate 10`.

`API_KEY`, or ADMIN_EMAIL and ADMIN_PASSWORD (the embedded stack's when unset), say who sends. An administrator, or a key
that may, makes the user and the template; with another key name them: BENCH_USER_ID and BENCH_TEMPLATE.
"""

import os
import random
from collections import deque
from typing import Any
from uuid import uuid4

from locust import HttpUser, between, events, task
from locust.clients import HttpSession
from locust.env import Environment

API = "/api/v1"
BATCH = 50
DICE = random.Random()  # noqa: S311 - nothing secret is drawn
TEMPLATE = {
    "code": "load_welcome", "name": "Welcome, under load", "language": "en", "subject": "Hello {{ name }}",
    "content": "<p>Hello {{ name }}, <a href='{{ link }}'>open</a></p>",
    "title": "Hi {{ name }}", "body": "Look at this", "link": "{{ link }}",
}  # fmt: skip


class Prepared:
    """Made once a process, before the first client starts."""

    headers: dict[str, str]
    user_id: str
    template: str


@events.test_start.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    http = HttpSession(environment.host or "http://localhost:8000", environment.events.request, user=None)
    Prepared.headers = _credentials(http)
    Prepared.user_id = os.environ.get("BENCH_USER_ID") or _new_user(http)
    Prepared.template = os.environ.get("BENCH_TEMPLATE") or _template(http)


class Sender(HttpUser):
    """Mostly single notifications, now and then a batch, and the questions that follow."""

    wait_time = between(0.05, 0.2)

    def on_start(self) -> None:
        self.client.headers.update(Prepared.headers)
        self.sent: deque[str] = deque(maxlen=200)

    @task(70)
    def send_email(self) -> None:
        self._send("email")

    @task(20)
    def send_push(self) -> None:
        self._send("push")

    @task(3)
    def send_batch(self) -> None:
        items = [notification(DICE.choice(("email", "push"))) for _ in range(BATCH)]
        name = f"POST {API}/notifications/batch"
        with self.client.post(
            f"{API}/notifications/batch", json={"notifications": items}, name=name, catch_response=True
        ) as answer:
            if answer.status_code != 202:
                answer.failure(f"{answer.status_code} {answer.text[:200]}")
            elif rejected := answer.json()["data"]["rejected"]:
                answer.failure(f"{rejected} of {BATCH} rejected")

    @task(20)
    def read_status(self) -> None:
        if self.sent:
            self.client.get(f"{API}/notifications/{DICE.choice(self.sent)}", name=f"GET {API}/notifications/[id]")

    @task(2)
    def list_newest(self) -> None:
        self.client.get(f"{API}/notifications/", params={"user_id": Prepared.user_id}, name=f"GET {API}/notifications/")

    def _send(self, channel: str) -> None:
        name = f"POST {API}/notifications/"
        with self.client.post(
            f"{API}/notifications/", json=notification(channel), name=name, catch_response=True
        ) as answer:
            if answer.status_code == 202:
                self.sent.append(answer.json()["data"]["notification_id"])
            else:
                answer.failure(f"{answer.status_code} {answer.text[:200]}")


def notification(channel: str) -> dict[str, object]:
    return {
        "notification_type": channel,
        "user_id": Prepared.user_id,
        "template_code": Prepared.template,
        "variables": {"name": "Ada", "link": "https://example.com/x"},
        "request_id": f"load-{uuid4()}",
        "priority": DICE.randint(1, 10),
        "metadata": {"campaign": "load"},
    }


def _credentials(http: HttpSession) -> dict[str, str]:
    if key := os.environ.get("API_KEY"):
        return {"X-API-Key": key}
    person = {"email": os.environ.get("ADMIN_EMAIL", "admin@example.com"),
              "password": os.environ.get("ADMIN_PASSWORD", "embedded-admin")}  # fmt: skip
    answer = http.post(f"{API}/auth/login", json=person)
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['data']['access_token']}"}


def _new_user(http: HttpSession) -> str:
    person = {"name": "Ada", "email": f"load.{uuid4().hex}@example.com", "password": uuid4().hex,
              "push_token": f"device-{uuid4().hex}", "preferences": {"email": True, "push": True}}  # fmt: skip
    answer = http.post(f"{API}/users/", json=person)
    answer.raise_for_status()
    return str(answer.json()["data"]["id"])


def _template(http: HttpSession) -> str:
    """One that is there already is as good."""
    with http.post(f"{API}/templates/", json=TEMPLATE, headers=Prepared.headers, catch_response=True) as answer:
        if answer.status_code not in {201, 409}:
            answer.raise_for_status()
        answer.success()
    return TEMPLATE["code"]

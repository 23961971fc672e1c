"""What the drill asks over HTTP: the gateway as its users do, the mail sink, Prometheus."""

import json
import urllib.error
import urllib.request
from typing import Any

from testkit.eventually import pause

GATEWAY, SINK, PROMETHEUS = "http://localhost:8000", "http://localhost:8025", "http://localhost:9090"


def call(method: str, url: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
    """The JSON answer. Raises `urllib.error.URLError` (`HTTPError` for a status of 400 and more)."""
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


class Api:
    """The gateway, as an administrator."""

    def __init__(self, email: str, password: str) -> None:
        answer = self.post("auth/login", {"email": email, "password": password})
        self._headers = {"Authorization": f"Bearer {answer['access_token']}"}

    def make_user(self, email: str) -> str:
        person = {"name": "Drill", "email": email, "password": "a-password-of-the-drill"}
        return str(self.post("users/", {**person, "preferences": {"email": True, "push": True}})["id"])

    def make_template(self, code: str) -> None:
        self.post(
            "templates/",
            {"code": code, "name": code, "subject": "{{ n }}", "content": "<p>{{ n }}</p>", "language": "en"},
        )

    def send(self, user: str, template: str, requests: list[str]) -> int:
        """One batch, posted again until it is answered: the request ids make that safe. How many were accepted."""
        items = [
            {
                "notification_type": "email",
                "user_id": user,
                "template_code": template,
                "variables": {"n": name},
                "request_id": name,
            }
            for name in requests
        ]
        while True:
            try:
                return int(self.post("notifications/batch", {"notifications": items})["accepted"])
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pause(0.5)

    def reconcile(self) -> dict[str, Any]:
        return dict(call("GET", f"{GATEWAY}/api/v1/reconcile", headers=self._headers)["data"])

    def unfinished(self) -> int:
        """The number of notifications that have not ended."""
        statuses = [channel["by_status"] for channel in self.reconcile()["channels"].values()]
        return sum(counts.get("pending", 0) + counts.get("queued", 0) for counts in statuses)

    def post(self, path: str, body: object) -> Any:
        return call("POST", f"{GATEWAY}/api/v1/{path}", body, getattr(self, "_headers", None))["data"]


def mails() -> int:
    """How many mails the sink holds."""
    return int(call("GET", f"{SINK}/api/v1/messages?limit=1")["total"])


def targets() -> dict[str, str]:
    """Prometheus' targets: address → health."""
    active = call("GET", f"{PROMETHEUS}/api/v1/targets?state=active")["data"]["activeTargets"]
    return {target["scrapeUrl"]: target["health"] for target in active}


def rules() -> list[dict[str, Any]]:
    groups = call("GET", f"{PROMETHEUS}/api/v1/rules")["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]

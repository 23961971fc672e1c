"""A gateway in miniature on a real port."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from notifications import RetryPolicy
from testkit.faulty_http import Asked, FaultyServer, Reply

QUICK = RetryPolicy(max_retries=3, first_pause=0.01, longest_pause=0.05)
Call = Callable[..., Awaitable[Any]]


def envelope(data: object, **changes: object) -> bytes:
    return json.dumps({"success": True, "message": "", "data": data, "error": None, "meta": None, **changes}).encode()


def refusal(status: int, code: str, data: object = None, **headers: str) -> Reply:
    body = {"success": False, "message": f"About {code}", "data": data, "error": code, "meta": None}
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})


class Gateway(FaultyServer):
    """One `request_id` makes one notification. Everything else gets `reply`."""

    def __init__(self) -> None:
        super().__init__(self._served)
        self.accepted: dict[str, str] = {}
        self.reply = Reply(200, envelope({}))

    def _served(self, asked: Asked) -> Reply:
        if (asked.method, asked.path) == ("POST", "/api/v1/notifications"):
            request_id = json.loads(asked.body)["request_id"]
            replayed = request_id in self.accepted
            notification = self._accept(request_id)
            headers = {"Content-Type": "application/json", "Idempotent-Replayed": str(replayed).lower()}
            return Reply(202, envelope(notification), headers)
        if asked.path == "/api/v1/notifications/batch":
            items = json.loads(asked.body)["notifications"]
            results = [
                {"index": i, "success": True, "status_code": 202, "message": "", "error": None,
                 "data": self._accept(item["request_id"])}
                for i, item in enumerate(items)
            ]  # fmt: skip
            data = {"accepted": len(items), "replayed": 0, "rejected": 0, "results": results}
            return Reply(202, envelope(data))
        return self.reply

    def _accept(self, request_id: str) -> dict[str, str]:
        notification_id = self.accepted.setdefault(request_id, f"n-{len(self.accepted)}")
        return {"notification_id": notification_id, "status": "pending", "created_at": "2026-01-01T00:00:00Z"}

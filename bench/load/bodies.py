"""Requests as bytes, created before the first one is sent: a case must not measure building them."""

import json
from collections.abc import Iterator

from bench.load.plan import Plan

PATH = "/api/v1/notifications"
VARIABLES = {"name": "Ada", "link": "https://example.com/x"}


def requests(plan: Plan) -> Iterator[bytes]:
    """Users and priorities are used in turns. Every item has its own request id."""
    path = PATH + ("/" if plan.size == 1 else "/batch")
    numbers = range(plan.count)
    for start in range(0, plan.count, plan.size):
        items = [item(plan, number) for number in numbers[start : start + plan.size]]
        yield http_request(plan, path, items[0] if plan.size == 1 else {"notifications": items})


def item(plan: Plan, number: int) -> dict[str, object]:
    return {
        "notification_type": plan.channel,
        "user_id": plan.users[number % len(plan.users)],
        "template_code": "welcome",
        "variables": VARIABLES,
        "request_id": f"{plan.prefix}-{number}",
        "priority": plan.priorities[number % len(plan.priorities)],
        "metadata": {"campaign": "bench"},
    }


def http_request(plan: Plan, path: str, body: object) -> bytes:
    payload = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\nX-API-Key: {plan.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload

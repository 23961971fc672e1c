"""Sends one e-mail and one push through the gateway, and prints their timelines."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from devstack.client import GatewayClient
from devstack.plan import ADMIN_EMAIL, ADMIN_PASSWORD, StackError

TEMPLATE = {
    "code": "welcome_email",
    "name": "Welcome",
    "description": "Sent to new users, by e-mail and by push",
    "subject": "Welcome, {{ name }}!",
    "content": (
        "<html><body style='font-family: sans-serif'><h1>Hello {{ name }}!</h1>"
        "<p>Your notification system works. <a href='{{ link }}'>Confirm your address</a></p></body></html>"
    ),
    "title": "Welcome, {{ name }}!",
    "body": "Your notification system works.",
    "link": "{{ link }}",
    "language": "en",
}
ENDS = {"sent", "delivered", "failed", "suppressed", "cancelled", "expired", "unknown"}


async def send_welcome(gateway_url: str) -> list[Any]:
    """The details of one e-mail and one push. Raises StackError if one of them is not delivered."""
    client = GatewayClient(gateway_url)
    try:
        await client.log_in(ADMIN_EMAIL, ADMIN_PASSWORD)
        await client.ensure("/templates", TEMPLATE, accepted="template_exists")
        user_id = await _ensure_user(client)
        return [await _send(client, channel, user_id) for channel in ("email", "push")]
    finally:
        await client.close()


async def _ensure_user(client: GatewayClient) -> str:
    """John Doe, created at the first start."""
    person = {
        "name": "John Doe",
        "email": "john@example.com",
        "password": uuid4().hex,
        "push_token": "demo-device-token-of-john",
        "preferences": {"email": True, "push": True},
    }
    await client.ensure("/users", person, accepted="email_taken")
    found = await client.call("GET", "/users?email=john@example.com")
    return str(found[0]["id"])


async def _send(client: GatewayClient, channel: str, user_id: str) -> Any:
    accepted = await client.call(
        "POST",
        "/notifications",
        {
            "notification_type": channel,
            "user_id": user_id,
            "template_code": TEMPLATE["code"],
            "variables": {"name": "John", "link": "https://example.com/verify"},
            "request_id": f"welcome-{uuid4()}",
        },
    )
    notification = await client.follow(accepted["notification_id"], until=ENDS)
    if notification["status"] not in {"sent", "delivered"}:
        raise StackError(
            f"The {channel} ended as {notification['status']}: {notification['error']} {notification['error_detail'] or ''}"
        )
    return notification


def summary_of(notification: Any) -> str:
    """One line: `email 0199…: accepted 12:00:00.001 → queued +4 ms → sent +23 ms`."""
    steps = notification["timeline"]
    began = datetime.fromisoformat(steps[0]["at"])
    parts = [f"{steps[0]['status']} {began:%H:%M:%S.%f}"[:-3]]
    for step in steps[1:]:
        after = (datetime.fromisoformat(step["at"]) - began).total_seconds() * 1000
        parts.append(f"{step['status']} +{after:.0f} ms")
    return f"{notification['notification_type']:5} {notification['notification_id']}: {' → '.join(parts)}"

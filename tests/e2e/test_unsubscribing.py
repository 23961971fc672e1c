"""A mail's one-click link, from the mail to the next mail that is not sent (RFC 8058)."""

from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from typing import Any
from uuid import uuid4

import httpx2

from testkit.eventually import wait_until
from testkit.system import System


def send(system: System, user: str, code: str, **changes: object) -> str:
    body = {"notification_type": "email", "user_id": user, "template_code": code, **changes}
    return str(system.call("POST", "/notifications", body, status=202)["notification_id"])


def mail_to(system: System, address: str) -> Any:
    found = [one for one in system.messages("email") if one["recipient"] == address]
    return message_from_string(system.message(found[0]["id"])["source"], policy=policy.default)


def test_one_click_stops_what_is_queued_and_what_comes_and_nothing_else(system: System) -> None:
    news, receipt = f"news-{uuid4().hex[:8]}", f"receipt-{uuid4().hex[:8]}"
    system.call("POST", "/templates", {"code": news, "name": "News", "content": "<p>News</p>", "purpose": "newsletter"})
    system.call("POST", "/templates", {"code": receipt, "name": "Receipt", "content": "<p>Paid</p>"})
    address = f"{uuid4().hex}@example.com"
    user = str(system.call("POST", "/users", {"name": "Ada", "email": address, "password": uuid4().hex})["id"])
    later = send(system, user, news, send_at=(datetime.now(UTC) + timedelta(seconds=6)).isoformat())

    assert system.follow(send(system, user, news))["status"] == "sent"
    mail = mail_to(system, address)
    link = mail["List-Unsubscribe"].strip("<> ")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link.startswith(f"{system.gateway}/api/v1/unsubscribe/")

    with httpx2.Client(trust_env=False) as stranger:
        assert stranger.get(link).status_code == 200
        assert system.call("GET", f"/users/{user}/preferences")["unsubscribed"] == []
        assert stranger.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert system.call("GET", f"/users/{user}/preferences")["unsubscribed"] == ["newsletter"]

    def suppressed() -> bool:
        ended = system.follow(send(system, user, news))
        return (ended["status"], ended["error"]) == ("suppressed", "unsubscribed")

    wait_until(suppressed, 20, "the preference reached the gateway")
    ended = system.follow(later)
    assert (ended["status"], ended["error"]) == ("suppressed", "unsubscribed")
    assert system.follow(send(system, user, receipt))["status"] == "sent"

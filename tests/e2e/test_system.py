"""The whole system, as its users have it: five processes, real servers, real HTTP, read at the provider's side."""

import time
from collections import Counter
from typing import Any
from uuid import uuid4

from testkit.eventually import wait_until
from testkit.system import MODULES, System
from tests.leaks.values import shape_in

BRIEF = {
    "name": "Welcome Email",
    "description": "Email sent to new users",
    "content": "<html><body>Hello {{name}}!</body></html>",
    "language": "en",
}


def test_email_and_push_at_several_priorities_all_reach_their_provider_once(system: System, user: str) -> None:
    sent = {
        (channel, priority): system.send(channel, user, priority=priority)
        for channel in ("email", "push")
        for priority in (1, 5, 10, 3, 7)
    }
    for notification_id in sent.values():
        notification = system.follow(notification_id)
        assert notification["status"] == "sent"
        assert [step["status"] for step in notification["timeline"]] == ["accepted", "queued", "sent"]
    for channel in ("email", "push"):
        arrived = Counter(system.arrivals(channel))
        assert {arrived[key] for (kind, _), key in sent.items() if kind == channel} == {1}
    mail = next(one for one in system.messages("email") if one["message_id"].startswith(f"<{sent['email', 5]}"))
    assert mail["subject"] == "Hello Ada"
    push = system.message(system.messages("push")[0]["id"])
    assert (push["title"], push["link"]) == ("Hi Ada", "https://example.com/x")


def test_the_template_of_the_brief_is_mailed_and_pushed(system: System, user: str) -> None:
    system.call("POST", "/templates/", {**BRIEF, "code": "brief"}, status=201)
    sent = {channel: system.send(channel, user, template_code="brief") for channel in ("email", "push")}
    assert [system.follow(notification_id)["status"] for notification_id in sent.values()] == ["sent", "sent"]
    mail = next(one for one in system.messages("email") if one["message_id"].startswith(f"<{sent['email']}"))
    assert (mail["subject"], system.message(mail["id"])["text"].strip()) == ("Welcome Email", "Hello Ada!")
    pushes = [system.message(one["id"]) for one in system.messages("push")]
    assert ("Welcome Email", "Hello Ada!") in [(push["title"], push["body"]) for push in pushes]


def test_one_correlation_id_goes_from_the_client_to_the_provider(system: System, user: str) -> None:
    correlation = f"story-{uuid4()}"
    body = {"notification_type": "email", "user_id": user, "template_code": "welcome",
            "variables": {"name": "Ada", "link": "https://example.com"}, "request_id": correlation}  # fmt: skip
    answer = system.http.post(
        f"{system.gateway}/api/v1/notifications/", json=body, headers={"X-Correlation-ID": correlation}
    )
    assert answer.headers["X-Correlation-ID"] == correlation
    notification_id = answer.json()["data"]["notification_id"]
    assert system.follow(notification_id)["correlation_id"] == correlation
    mail = next(one for one in system.messages("email") if one["message_id"].startswith(f"<{notification_id}"))
    assert f"X-Correlation-ID: {correlation}" in system.message(mail["id"])["source"]
    for service in ("api-gateway", "email-service"):
        assert correlation in (system.folder / f"{service}.log").read_text()


def test_an_application_sends_in_its_own_name_and_to_its_contacts_alone(system: System) -> None:
    sender = {"from_name": "Orders", "from_email": "mail@orders.example", "reply_to": "help@example.com"}
    scopes = ["users:write", "notifications:write", "notifications:read"]
    keys = []
    for application in ({"name": "orders", "sender": sender}, {"name": "another"}):
        made = system.call("POST", "/applications", application)["id"]
        keys.append(system.call("POST", "/api-keys", {"name": "k", "scopes": scopes, "application_id": made})["key"])
    person = {"name": "Ada", "email": f"{uuid4().hex}@example.com"}
    own, other = ({"Authorization": f"Bearer {key}"} for key in keys)
    put = system.http.put(f"{system.gateway}/api/v1/users/external/c-1", json=person, headers=own)
    body = {"notification_type": "email", "user_id": put.json()["data"]["id"], "template_code": "welcome",
            "variables": {"name": "Ada", "link": "https://example.com"}}  # fmt: skip
    refused = system.http.post(f"{system.gateway}/api/v1/notifications", json=body, headers=other)
    assert (refused.status_code, refused.json()["error"]) == (404, "user_not_found")
    sent = system.http.post(f"{system.gateway}/api/v1/notifications", json=body, headers=own).json()["data"]
    assert system.follow(sent["notification_id"])["status"] == "sent"
    mail = next(one for one in system.messages("email") if one["message_id"].startswith(f"<{sent['notification_id']}"))
    source = system.message(mail["id"])["source"]
    assert "From: Orders <mail@orders.example>" in source
    assert "Reply-To: <help@example.com>" in source


def test_a_template_with_a_layout_is_mailed_in_the_templates_own_name(system: System, user: str) -> None:
    footer, base = f"footer-{uuid4().hex}", f"base-{uuid4().hex}"
    layout = f"<html><body>{{% block content %}}{{% endblock %}}{{% render '{footer}', shop: 'Orders' %}}</body></html>"
    system.call("POST", "/snippets", {"name": footer, "content": "<p>The {{ shop }} team</p>"})
    system.call("POST", "/snippets", {"name": base, "content": layout})
    sender = {"from_name": "Billing", "from_email": "bills@orders.example"}
    content = f"{{% layout '{base}' %}}<p>Dear {{{{ name }}}}</p>"
    system.call("POST", "/templates", {"code": base, "name": "Bill", "content": content, "sender": sender})
    sent = system.send("email", user, template_code=base)
    assert system.follow(sent)["status"] == "sent"
    mail = next(one for one in system.messages("email") if one["message_id"].startswith(f"<{sent}"))
    source = system.message(mail["id"])["source"]
    assert "From: Billing <bills@orders.example>" in source
    assert "<html><body><p>Dear Ada</p><p>The Orders team</p></body></html>" in source


def test_a_bounce_fails_once_and_is_a_dead_letter_that_can_be_tried_again(system: System) -> None:
    person = {"name": "Bo", "email": f"bounce+{uuid4().hex}@example.com", "password": uuid4().hex}
    bouncing = str(system.call("POST", "/users/", person)["id"])
    notification = system.follow(system.send("email", bouncing))
    assert (notification["status"], notification["error"], notification["attempts"]) == ("failed", "bounced", 1)
    listed = system.call("GET", "/failed?notification_type=email")
    assert notification["notification_id"] in {one["notification_id"] for one in listed}
    system.call("POST", f"/notifications/{notification['notification_id']}/retry", status=202)
    again = system.follow(notification["notification_id"])
    assert again["status"] == "suppressed"  # the address is known to be dead by now
    assert again["replays"] == 1


def test_a_soft_refusal_is_tried_again_until_it_is_taken(system: System) -> None:
    person = {"name": "Cy", "email": f"defer-2+{uuid4().hex}@example.com", "password": uuid4().hex}
    slow = str(system.call("POST", "/users/", person)["id"])
    notification = system.follow(system.send("email", slow), seconds=60)
    assert (notification["status"], notification["attempts"]) == ("sent", 3)
    assert [step["status"] for step in notification["timeline"]] == [
        "accepted",
        "queued",
        "retrying",
        "retrying",
        "sent",
    ]
    assert Counter(system.arrivals("email"))[notification["notification_id"]] == 1


def test_an_account_that_the_mail_server_turns_away_fails_nothing(system: System) -> None:
    person = {"name": "Di", "email": f"account-2+{uuid4().hex}@example.com", "password": uuid4().hex}
    waiting = str(system.call("POST", "/users/", person)["id"])
    notification = system.follow(system.send("email", waiting), seconds=90)
    assert (notification["status"], notification["attempts"]) == ("sent", 1)
    assert [step["code"] for step in notification["timeline"] if step["status"] == "retrying"] == ["quota_exceeded"]


def test_a_push_to_the_earlier_owner_of_a_phone_does_not_appear_on_it(system: System) -> None:
    phone = f"phone-{uuid4().hex}"
    one, two = (
        {"name": name, "email": f"{uuid4().hex}@example.com", "password": uuid4().hex, "push_token": phone}
        for name in ("One", "Two")
    )
    earlier = str(system.call("POST", "/users/", one)["id"])
    assert system.follow(system.send("push", earlier))["status"] == "sent"  # everybody who keeps copies has one now
    owner = str(system.call("POST", "/users/", two)["id"])
    deadline = time.monotonic() + 20
    while (notification := system.follow(system.send("push", earlier)))["status"] != "suppressed":
        assert time.monotonic() < deadline, "copies in memory are seconds old at most"
    assert notification["error"] == "no_push_token"
    assert system.follow(system.send("push", owner))["status"] == "sent"


def test_every_service_tells_its_health_metrics_and_documentation(system: System) -> None:
    for service in MODULES:
        port = system.ports[service]
        health = system.http.get(f"http://127.0.0.1:{port}/health/").json()
        assert (health["status"], health["success"]) == ("healthy", True), (service, health)
        assert all(one["status"] == "up" for one in health["data"]["dependencies"].values())
        shown = system.http.get(f"http://127.0.0.1:{port}/metrics").text
        assert "http_request_duration_seconds" in shown
        assert shape_in(shown) is None, "a label holds a value"
        assert system.http.get(f"http://127.0.0.1:{port}/docs").status_code == 200
        assert system.http.get(f"http://127.0.0.1:{port}/openapi.json").json()["info"]["title"]
    metrics = system.http.get(f"{system.gateway}/metrics").text
    for name in ("notifications_total", "notification_processing_seconds", "queue_size", "circuit_breaker_state"):
        assert name in metrics


def test_internal_routes_are_out_of_reach_through_the_gateway(system: System, user: str) -> None:
    for path in (
        f"/internal/users/{user}",
        f"/api/v1/users/../../../internal/users/{user}",
        f"/api/v1/users/%2e%2e/%2e%2e/internal/users/{user}",
        f"/api/v1/users//{user}",
        f"/api/v1/users/..%2finternal/users/{user}",
    ):
        assert system.http.get(f"{system.gateway}{path}").status_code == 404


def test_in_the_end_everything_is_accounted_for(system: System) -> None:
    proof = system.call("GET", "/reconcile")
    assert proof["accepted"] > 0
    assert proof["unaccounted"] == 0


def test_an_address_that_the_system_does_not_know_gets_mail_until_it_bounces(system: System) -> None:
    def sent_to(address: str) -> Any:
        body = {"notification_type": "email", "to": {"email": address, "name": "Ada"}, "template_code": "welcome",
                "variables": {"name": "Ada", "link": "https://example.com/x"}}  # fmt: skip
        return system.follow(system.call("POST", "/notifications", body, status=202)["notification_id"])

    good, dead = f"{uuid4().hex}@example.com", f"bounce+{uuid4().hex}@example.com"
    ended = sent_to(good)
    assert (ended["status"], ended["provider"]) == ("sent", "smtp")
    assert [one["recipient"] for one in system.messages("email") if one["recipient"] == good] == [good]
    assert [(one["status"], one["error"]) for one in (sent_to(dead), sent_to(dead))] == [
        ("failed", "bounced"),
        ("suppressed", "address_suppressed"),
    ]


def test_a_push_has_what_its_caller_gave_it_and_a_topic_is_one_push(system: System) -> None:
    device, topic = f"device-{uuid4().hex}", uuid4().hex
    push = {"data": {"order_id": "A-1"}, "badge": 3, "image": "https://example.com/i.png", "collapse_key": "A-1"}
    for to in ({"push_tokens": [device]}, {"topic": topic}):
        body = {"notification_type": "push", "to": to, "template_code": "welcome", "overrides": {"push": push},
                "variables": {"name": "Ada", "link": "https://example.com/x"}}  # fmt: skip
        sent = system.call("POST", "/notifications", body, status=202)["notification_id"]
        assert system.follow(sent)["status"] == "sent"
        received = [one for one in system.messages("push") if one["recipient"] in {device, f"/topics/{topic}"}]
        [shown] = [found for one in received if (found := system.message(one["id"]))["data"]["notification_id"] == sent]
        assert (shown["title"], shown["badge"], shown["image"]) == ("Hi Ada", 3, "https://example.com/i.png")
        assert shown["data"]["order_id"] == "A-1"


def test_a_new_password_comes_by_mail_also_to_who_wants_none(system: System) -> None:
    email = f"{uuid4().hex}@example.com"
    person = {"name": "Ada", "email": email, "password": "correct horse", "preferences": {"email": False}}
    system.call("POST", "/users/", person)
    system.call("POST", "/auth/password-reset", {"email": email}, status=202)

    def mails() -> list:
        return [one for one in system.messages("email") if one["recipient"] == email]

    wait_until(lambda: bool(mails()), 30, "the mail")
    [mail] = mails()
    assert mail["subject"] == "Set a new password"
    token = next(line for line in system.message(mail["id"])["text"].split() if len(line) == 43)
    system.call("POST", "/auth/password-reset/confirm", {"token": token, "password": "another horse"})
    system.call("POST", "/auth/login", {"email": email, "password": "another horse"})
    notification = system.call("GET", "/notifications?template_code=system.password_reset&limit=1")[0]
    assert (notification["status"], notification["metadata"]) == ("sent", {})

"""The system's own mails: only from the user service, to the address that it names, whatever the user's preferences."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2

from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from contracts.messages import NotificationMessage
from contracts.recipients import EmailRecipient, Preferences

PATH = "/internal/notifications"


async def _post(gateway, user_id: UUID, *, service: str = "user-service", **changes: object) -> httpx2.Response:
    tokens = ServiceTokens(development_key(service))
    mail = {
        "request_id": "mail-1", "user_id": str(user_id), "template_code": "welcome", "variables": {"name": "x"},
        "recipient": {"name": "", "email": "elsewhere@example.com"},
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(), **changes,
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {tokens.issue('api-gateway')}"}
    return await gateway.http.post(PATH, json=mail, headers=headers)


async def test_it_goes_to_the_named_address_of_one_who_wants_no_mail_and_is_sent_too_much(start) -> None:
    gateway = await start(recipient_limit_per_hour=1)
    gateway.peers.add_template()
    person = gateway.peers.add_user(preferences=Preferences(email=False))
    accepted = [await _post(gateway, person.id, request_id=f"mail-{n}") for n in range(3)]
    assert [answer.status_code for answer in accepted] == [202] * 3
    for body in await gateway.published("email.urgent.queue", 3):
        message = NotificationMessage.model_validate_json(body)
        assert message.fixed_recipient
        assert message.recipient == EmailRecipient(name="", email="elsewhere@example.com")
        assert message.user_id == person.id


async def test_the_same_mail_is_accepted_once(gateway) -> None:
    gateway.peers.add_template()
    person = gateway.peers.add_user()
    first, second = [(await _post(gateway, person.id)).json()["data"]["notification_id"] for _ in range(2)]
    assert first == second
    assert (await gateway.http.get("/api/v1/notifications", headers=gateway.token())).json()["meta"]["total"] == 1


async def test_only_the_user_service_sends_them(gateway) -> None:
    gateway.peers.add_template()
    person = gateway.peers.add_user()
    assert (await _post(gateway, person.id, service="email-service")).status_code == 403
    for headers in ({}, gateway.token(), {"Authorization": "Bearer x"}):
        assert (await gateway.http.post(PATH, json={}, headers=headers)).status_code == 401


async def test_a_mail_that_cannot_be_sent_now_is_refused(gateway) -> None:
    person = gateway.peers.add_user()
    assert (await _post(gateway, person.id)).status_code == 404  # there is no template
    gateway.peers.add_template("other")
    assert (await _post(gateway, person.id, template_code="other", variables={})).status_code == 422
    gateway.peers.down = True
    assert (await _post(gateway, person.id, template_code="unknown")).status_code == 503


async def test_a_failed_one_is_not_tried_again_by_hand(gateway) -> None:
    """A retry would look the user up again and mail the user's current address."""
    gateway.peers.add_template()
    person = gateway.peers.add_user()
    made = (await _post(gateway, person.id)).json()["data"]["notification_id"]
    await gateway.published("email.urgent.queue")
    await gateway.report(made, "failed", code="bounced")
    await gateway.until(made, "failed")
    retry = await gateway.http.post(f"/api/v1/notifications/{made}/retry", headers=gateway.token())
    assert (retry.status_code, retry.json()["error"]) == (409, "not_retryable")


async def test_notifications_of_callers_have_no_fixed_recipient(gateway) -> None:
    gateway.peers.add_template()
    await gateway.send(user_id=str(gateway.peers.add_user().id))
    [body] = await gateway.published()
    assert not NotificationMessage.model_validate_json(body).fixed_recipient

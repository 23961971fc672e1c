"""Webhooks of e-mail providers: forwarded with their signature, without a caller, under a limit of their own."""

import pytest

from testkit.eventually import eventually

PATH = "/api/v1/webhooks/sendgrid"
PROOF = {
    "x-twilio-email-event-webhook-signature": "c2lnbmF0dXJl",
    "x-twilio-email-event-webhook-timestamp": "1700000000",
    "authorization": "Basic cG9zdG1hcms6cGFzc3dvcmQ=",
    "content-type": "text/plain; charset=UTF-8",
}


async def test_a_webhook_is_forwarded_with_its_signature_and_without_a_login(gateway) -> None:
    for path in (PATH, f"{PATH}/"):
        forwarded = (
            await gateway.http.post(path, content=b"[]", headers={**PROOF, "x-forwarded-user": "admin"})
        ).json()
        assert forwarded["data"]["path"].rstrip("/").endswith(PATH)
        assert PROOF.items() <= forwarded["data"]["headers"].items()
        assert "x-forwarded-user" not in forwarded["data"]["headers"]


async def test_a_group_of_events_may_be_larger_than_a_stranger_s_body_but_is_bounded(gateway) -> None:
    large = await gateway.http.post(PATH, content=b"x" * 900_000, headers=PROOF)
    assert large.status_code == 200, large.text
    for content in (b"x" * 1_100_000, _pieces()):
        assert (await gateway.http.post(PATH, content=content, headers=PROOF)).status_code == 413


async def _pieces():
    for _ in range(1_100):
        yield b"x" * 1_000


@pytest.mark.parametrize("name", ["%2e%2e/users", "a%2fb", "a//b"])
async def test_no_other_path_is_reached(gateway, name) -> None:
    assert (await gateway.http.post(f"/api/v1/webhooks/{name}", content=b"{}")).status_code in {401, 404}


async def test_its_limit_is_not_that_of_strangers(start) -> None:
    gateway = await start(webhook_limit_per_minute=3, stranger_limit_per_minute=1)
    answers = [await gateway.http.post(PATH, content=b"[]") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_while_no_worker_answers_it_is_a_503(start) -> None:
    gateway = await start(email_service_url="http://127.0.0.1:1")
    answer = await gateway.http.post(PATH, content=b"{}")
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")


async def test_a_complaint_adds_its_code_to_a_delivered_mail_once_and_changes_no_count(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    identity = (await gateway.send(user_id=str(user.id))).json()["data"]["notification_id"]
    await gateway.report(identity, "sent")
    await gateway.report(identity, "delivered")
    ended_at = (await gateway.until(identity, "delivered"))["ended_at"]
    for code in ("complained", "complained", None):
        await gateway.report(identity, "delivered", code=code)

    async def has_its_code() -> bool:
        return (await gateway.detail(identity))["error"] == "complained"

    await eventually(has_its_code)
    other = (await gateway.send(user_id=str(user.id))).json()["data"]["notification_id"]
    await gateway.report(other, "delivered")
    await gateway.until(other, "delivered")
    detail = await gateway.detail(identity)
    assert (detail["status"], detail["error"], detail["ended_at"]) == ("delivered", "complained", ended_at)
    assert [step["code"] for step in detail["timeline"] if step["status"] == "delivered"] == [None, "complained"]
    labels = {"type": "email", "status": "delivered"}
    assert gateway.app.state.metrics.get_sample_value("notifications_total", labels) == 2

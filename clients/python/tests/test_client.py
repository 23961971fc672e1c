"""The client itself: its address and credentials, what it puts into requests, and what it shows of them."""

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from clients.python.tests.miniature import QUICK, Call, Gateway, envelope, refusal
from notifications import Notifications, UnexpectedAnswer, WaitTimedOut, attachment
from notifications.answers.base import Nothing
from testkit.faulty_http import Reply

SECRET = "nk_live_" + "x" * 30
TOKENS = {"access_token": "a-" * 20, "refresh_token": "r-" * 20, "token_type": "bearer", "expires_in": 1800}


def test_the_environment_fills_in_what_is_not_given(monkeypatch: pytest.MonkeyPatch, gateway: Gateway) -> None:
    monkeypatch.setenv("NOTIFICATIONS_URL", f"{gateway.url}/api/v1/")
    monkeypatch.setenv("NOTIFICATIONS_API_KEY", SECRET)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Notifications() as client:
        client.api_keys.revoke("k-1")
    assert gateway.asked[0].path == "/api/v1/api-keys/k-1"
    assert gateway.asked[0].headers["X-API-Key"] == SECRET
    with Notifications(access_token="t") as client:
        client.api_keys.revoke("k-1")
    assert "X-API-Key" not in gateway.asked[1].headers
    assert gateway.asked[1].headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize("url", ["", "notify.example.com", "ftp://notify.example.com", "https://", "http://a:port"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="NOTIFICATIONS_URL"):
        Notifications(url, api_key="k")


def test_a_key_from_a_file_works_and_one_that_is_none_is_not_shown(gateway: Gateway) -> None:
    with httpx2.Client(trust_env=False) as http:
        Notifications(gateway.url, api_key=f"{SECRET}\n", http_client=http).api_keys.revoke("k-1")
    assert gateway.asked[0].headers["X-API-Key"] == SECRET
    with pytest.raises(ValueError, match="characters that none has") as raised:
        Notifications(gateway.url, access_token=f"{SECRET}\r\nX-Other: 1")
    assert SECRET not in str(raised.value)


async def test_health_is_an_answer_also_when_it_is_bad(gateway: Gateway, call: Call) -> None:
    state = {"service": "api-gateway", "uptime_seconds": 1.5, "dependencies": {}}
    gateway.reply = Reply(200, envelope(state, status="degraded"))
    assert (await call("health")).status == "degraded"
    gateway.fail([refusal(503, "unhealthy", state)])
    assert (await call("health")).status == "unhealthy"
    assert len(gateway.asked) == 1
    gateway.reply = Reply(200, envelope([]))
    with pytest.raises(UnexpectedAnswer):
        await call("health")


def test_the_user_agent_has_the_version(gateway: Gateway, client: Notifications) -> None:
    client.api_keys.revoke("k-1")
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert gateway.asked[0].headers["User-Agent"] == f"notifications-python/{project['version']}"


async def test_names_in_paths_are_escaped_and_never_empty(gateway: Gateway, call: Call) -> None:
    await call("api_keys.revoke", "a/b ?#é")
    assert gateway.asked[0].path == "/api/v1/api-keys/a%2Fb%20%3F%23%C3%A9"
    for name in ("", ".", ".."):
        with pytest.raises(ValueError, match="empty"):
            await call("applications.delete", name)
    assert len(gateway.asked) == 1


async def test_values_travel_as_they_are(gateway: Gateway, call: Call) -> None:
    at = datetime(2030, 1, 1, 12, tzinfo=UTC)
    await call("send", notification_type="email", user_id="u", template_code="w", send_at=at, variables={"n": [1, "é"]})
    body = json.loads(gateway.asked[0].body)
    assert (body["send_at"], body["variables"]) == ("2030-01-01T12:00:00Z", {"n": [1, "é"]})
    assert gateway.asked[0].headers["Content-Type"] == "application/json"


async def test_a_time_without_a_zone_is_refused(gateway: Gateway, call: Call) -> None:
    with pytest.raises(ValueError, match="send_at has no time zone"):
        await call("send", notification_type="email", user_id="u", template_code="w", send_at=datetime(2030, 1, 1))  # noqa: DTZ001 - meant
    assert gateway.asked == []


def test_null_removes_and_what_is_left_out_is_left_out(gateway: Gateway, client: Notifications) -> None:
    with pytest.raises(UnexpectedAnswer):
        client.applications.update("a-1", rate_limit_per_minute=None)
    assert json.loads(gateway.asked[0].body) == {"rate_limit_per_minute": None}


def test_a_login_is_used_until_the_logout(gateway: Gateway, client: Notifications) -> None:
    user = {"id": "u", "name": "N", "email": "e", "email_verified": True, "pending_email": None, "external_id": None,
            "contact": False, "role": "admin", "disabled": False, "language": None, "push_token": None,
            "preferences": {"email": True, "push": True, "unsubscribed": []},
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}  # fmt: skip
    gateway.reply = Reply(200, envelope({**TOKENS, "user": user, "totp_needed": False}))
    login = client.login("e", "a password")
    gateway.reply = Reply(200, envelope({**TOKENS, "access_token": "second", "refresh_token": "third"}))
    client.refresh()
    client.logout()
    client.api_keys.revoke("k-1")
    assert [asked.headers.get("Authorization") for asked in gateway.asked] == [
        None, f"Bearer {TOKENS['access_token']}", "Bearer second", None,
    ]  # fmt: skip
    assert [json.loads(asked.body or b"{}").get("refresh_token") for asked in gateway.asked[1:3]] == [
        TOKENS["refresh_token"], "third",
    ]  # fmt: skip
    assert TOKENS["access_token"] not in repr(login)
    with pytest.raises(ValueError, match="log in first"):
        client.refresh()


def test_no_secret_and_no_value_is_shown() -> None:
    with Notifications("http://127.0.0.1:9", api_key=SECRET, retries=QUICK) as client:
        call = client._call("GET", ("users",), Nothing(), query={"email": SECRET}, body={"email": SECRET})
        assert SECRET not in repr(client) + repr(vars(client)) + repr(call)


def test_waiting_ends_with_the_status_that_was_seen_last(gateway: Gateway, client: Notifications) -> None:
    gateway.reply = Reply(200, envelope(DETAIL))
    with pytest.raises(WaitTimedOut, match="n-1 is still a_status_of_the_future"):
        client.wait_until_final("n-1", timeout=0.3)
    assert len(gateway.asked) > 1
    assert client.wait_until_final("n-1", until={"a_status_of_the_future"}).status == "a_status_of_the_future"


DETAIL = {
    "notification_id": "n-1", "request_id": "r", "correlation_id": "c", "user_id": "u", "notification_type": "a_channel",
    "template_code": "w", "template_version": 1, "language": "en", "status": "a_status_of_the_future", "error": None,
    "error_detail": None, "priority": 5, "delivery_guarantee": "another", "attempts": 1, "replays": 0, "provider": None,
    "provider_message_id": None, "attachments": [], "metadata": {}, "test": False, "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z", "send_at": None, "expires_at": None, "queued_at": None, "sent_at": None,
    "ended_at": None, "timeline": [], "a_field_of_the_future": {"kept": True},
}  # fmt: skip


async def test_a_newer_server_may_say_more(gateway: Gateway, call: Call) -> None:
    gateway.reply = Reply(200, envelope(DETAIL))
    detail = await call("get", "n-1")
    assert (detail.status, detail.notification_type) == ("a_status_of_the_future", "a_channel")
    assert detail.a_field_of_the_future == {"kept": True}


def test_a_file_becomes_an_attachment() -> None:
    made = attachment("bill.pdf", b"%PDF")
    assert made == {"filename": "bill.pdf", "content": "JVBERg==", "content_type": "application/pdf"}
    assert attachment("x", b"")["content_type"] == "application/octet-stream"

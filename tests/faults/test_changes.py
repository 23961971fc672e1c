"""What a user, a clock or a queue changes while a notification is on its way (faults 32, 33, 36, 37, 39, 40, 42)."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import orjson
import pytest

from contracts.messages import StatusEvent, StatusEvents, first_id_of
from testkit.eventually import pause, remains
from tests.faults import checks
from tests.faults.lab import Lab, restarted_with

SOON = 3.0  # seconds until a notification of these tests expires


@contextlib.contextmanager
def in_mid_send(lab: Lab, channel: str, user: str, *, expires_in: float | None = None) -> Iterator[str]:
    """With the provider, which answers when the block ends; two workers, so that a copy may come to the other one."""
    service = f"{channel}-service"
    lab.system.start_service(service, name=f"{service}-2")
    lab.system.wait_ready(f"{service}-2")
    lab.provider(smtp="stall", fcm="stall")
    name = lab.system.send(channel, user, **({} if expires_in is None else {"expires_at": within(expires_in)}))
    lab.until(lambda: lab.copies()[name] == 1, "taken, and not answered")
    yield name
    for _ in range(4):  # to either worker
        lab.publish(channel, lab.message_of(name, service), name)
    lab.until(lambda: lab.depth(f"{channel}.queue") == 0, "the copies are consumed")
    remains(lambda: lab.status(name), 1, holds=lambda status: status in {"pending", "queued"})
    assert lab.status(name) == "queued", "nothing that comes later ends it"
    lab.provider()


def within(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def again(lab: Lab, channel: str, name: str, body: bytes) -> None:
    """The message comes once more, after the end."""
    lab.publish(channel, body, name)
    lab.until(lambda: lab.depth(f"{channel}.queue") == 0, "the copy is consumed")


def test_32_an_address_that_changes_while_the_mail_is_with_the_provider(lab: Lab) -> None:
    user = lab.user()
    with in_mid_send(lab, "email", user) as name:
        body = lab.message_of(name)
        lab.system.call("PATCH", f"/users/{user}", {"email": f"new.{uuid4().hex}@example.com"})
    lab.until_ended([name])
    again(lab, "email", name, body)
    lab.prove(32, "the address changes while the mail is with the provider", [name])
    assert lab.status(name) == "sent"


def test_32_an_address_that_changes_after_an_ambiguous_attempt(lab: Lab) -> None:
    user = lab.user(f"drop+{uuid4().hex}@example.com")
    with restarted_with(lab, "email-service", RETRY_BASE_SECONDS="3"):
        name = lab.system.send("email", user)
        lab.until(lambda: lab.ledger(name) == "retry", "ambiguous")
        lab.system.call("PATCH", f"/users/{user}", {"email": f"new.{uuid4().hex}@example.com"})
        lab.prove(32, "the address changes after an answer was lost", [name], ambiguous=[name])
    recipients = {message["recipient"] for message in lab.system.messages("email") if name in message["message_id"]}
    assert {recipient.partition("+")[0] for recipient in recipients} == {"drop"}


def test_33_a_device_replaced_between_the_send_and_a_second_publishing(lab: Lab) -> None:
    token, newer = f"device-{uuid4().hex}", f"device-{uuid4().hex}"
    user = lab.user(push_token=token)
    lab.provider(fcm="stall")
    name = lab.system.send("push", user)
    lab.until(lambda: lab.ledger(name, "push-service") == "sending", "with the provider")
    body = lab.message_of(name, "push-service")
    lab.provider()
    lab.until_ended([name])
    (known,) = lab.system.call("GET", f"/users/{user}/push-tokens")
    lab.system.call("DELETE", f"/users/{user}/push-tokens/{known['id']}")
    lab.system.call("POST", f"/users/{user}/push-tokens", {"token": newer})
    again(lab, "push", name, body)
    lab.prove(33, "a device replaced between two publishings", [name])


def opts_out(lab: Lab, user: str) -> None:
    lab.system.call("PUT", f"/users/{user}/preferences", {"email": False, "push": False})


def is_deleted(lab: Lab, user: str) -> None:
    lab.system.call("DELETE", f"/users/{user}")


def lets_it_expire(lab: Lab, user: str) -> None:
    pause(SOON + 1)


@pytest.mark.parametrize("change", [opts_out, is_deleted, lets_it_expire])
def test_36_what_was_with_the_provider_ends_as_the_provider_answered(
    lab: Lab, change: Callable[[Lab, str], None]
) -> None:
    user = lab.user()
    with in_mid_send(lab, "email", user, expires_in=SOON if change is lets_it_expire else None) as name:
        change(lab, user)
        if change is lets_it_expire:
            lab.sql("api-gateway", "UPDATE notifications SET due_at = now() WHERE id = $1::uuid", name)
    lab.prove(36, f"with the provider when the user {change.__name__.replace('_', ' ')}", [name])
    assert lab.status(name) == "sent"
    assert lab.sql("email-service", "SELECT state FROM email_deliveries WHERE notification_id = $1::uuid", name) == [
        ("sent",)
    ]


def test_37_devices_that_die_one_after_the_other(lab: Lab) -> None:
    names = []
    for _ in range(3):
        user = lab.user(push_token=f"dying-1-{uuid4().hex}")
        lab.system.call("POST", f"/users/{user}/push-tokens", {"token": f"late-unregistered-4-{uuid4().hex}"})
        names.append(lab.system.send("push", user))
    lab.prove(37, "two devices die one after the other", names, not_taken=names)
    assert [lab.status(name) for name in names] == ["failed"] * 3


def test_39_status_events_with_a_nul_in_them(lab: Lab) -> None:
    user = lab.user()
    strange = lab.batch(user, 60)
    lab.until_ended(strange)
    at = datetime.now(UTC)
    for name in strange:
        event = StatusEvent(notification_id=UUID(name), notification_type="email", status="failed", detail="x", at=at)
        body = StatusEvents(events=(event,)).model_dump_json().replace('"detail":"x"', '"detail":"a\\u0000b"')
        lab.publish("status", body.encode(), str(uuid4()))
    lab.prove(39, "status events with a NUL in them", lab.batch(user, 100))
    lab.until(lambda: lab.depth("status.queue") == 0, "none is stuck")
    assert {lab.detail(name)["error_detail"] for name in strange[:3]} == {"ab"}


def test_40_accepted_long_ago_and_sent_today(lab: Lab) -> None:
    user = lab.user()
    lab.provider(smtp="stall")
    template = lab.system.send("email", user)
    lab.until(lambda: lab.ledger(template) == "sending", "with the provider")
    message = orjson.loads(lab.message_of(template))
    lab.provider()
    lab.until_ended([template])
    old = str(UUID(int=first_id_of(datetime.now(UTC) - timedelta(days=30)).int + UUID(template).int % 2**64))
    body = orjson.dumps(message | {"notification_id": old})
    with restarted_with(lab, "email-service", RETENTION_DAYS="1"):
        for _ in range(3):
            lab.publish("email", body, old)
            lab.until(lambda: lab.ledger(old) == "sent", "sent, and known")
            # For a turn of the retention, which comes every two seconds.
            remains(lambda: lab.ledger(old), 3, holds=lambda state: state == "sent")
    row = checks.count(40, "accepted long ago, sent today, then delivered again", {old: "sent"}, lab.copies())
    assert (row.lost, row.duplicated, lab.ledger(old)) == (0, 0, "sent")


def test_42_sent_before_its_expiry_and_the_report_lost(lab: Lab) -> None:
    user = lab.user()
    lab.provider(smtp="stall")
    name = lab.system.send("email", user, expires_at=within(SOON))
    lab.until(lambda: lab.ledger(name) == "sending" and lab.status(name) == "queued", "with the provider")
    lab.kill("api-gateway")
    lab.provider()
    lab.until(lambda: lab.ledger(name) == "sent" and lab.depth("status.queue") >= 1, "sent, and reported")
    lab.rabbit.control("purge_queue", "status.queue")
    pause(SOON)
    lab.sql("api-gateway", "UPDATE notifications SET due_at = now() WHERE id = $1::uuid", name)
    lab.start_again("api-gateway")
    lab.prove(42, "sent before its expiry, its report lost with the broker", [name])
    assert lab.status(name) == "sent"

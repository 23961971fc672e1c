"""Providers that die, stall, refuse and rest (faults 4, 20 to 23, 41 and 44 to 46)."""

import json
import time
from datetime import datetime
from typing import Any
from uuid import uuid4

from delivery.settings import WorkerSettings
from tests.faults.forwarder import Forwarder
from tests.faults.lab import WHOLE, Lab, restarted_with

PAUSE_SECONDS = 20  # of a breaker, where nothing may wait for it
PROBES_A_SECOND = 2  # the breaker lets two through each BREAKER_OPEN_SECONDS
# What is under way when the provider goes down.
IN_FLIGHT = int(WorkerSettings.model_fields["worker_concurrency"].default)


def test_4_the_connection_dies_after_the_final_dot(lab: Lab) -> None:
    again, never = (
        lab.system.send("email", lab.user(f"drop+{uuid4().hex}@example.com"), delivery_guarantee=guarantee)
        for guarantee in ("at_least_once", "at_most_once")
    )
    lab.prove(4, "connection dropped after the final dot", [again, never], ambiguous=[again])
    assert [lab.status(one) for one in (again, never)] == ["sent", "unknown"]
    assert [lab.copies()[one] for one in (again, never)] == [2, 1]
    assert steps(lab, again) == ["accepted", "queued", "retrying", "sent"]
    assert len(message_ids(lab, again)) == 1


def test_20_a_stall_at_the_final_dot_holds_up_nobody_else(lab: Lab) -> None:
    slow, other = lab.user(f"stall-8+{uuid4().hex}@example.com"), lab.user()
    # Longer than anything but the final dot may take, and than a silent worker is waited for.
    with restarted_with(lab, "email-service", SMTP_COMMAND_SECONDS="2"):
        stalled = [lab.system.send("email", slow) for _ in range(3)]
        lab.until(lambda: all(lab.copies()[one] == 1 for one in stalled), "taken, and not answered")
        flowing = lab.batch(other, 30) + lab.batch(other, 30, "push")
        lab.until(lambda: set(lab.statuses(flowing).values()) == {"sent"}, "everything else sent")
        assert {lab.ledger(one) for one in stalled} == {"sending"}
        lab.prove(20, "the mail server stalls at the final dot", [*stalled, *flowing])
        assert {lab.detail(one)["attempts"] for one in stalled} == {1}


def test_21_refused_for_now_and_refused_for_good(lab: Lab) -> None:
    users = {
        name: lab.user(f"{name}+{uuid4().hex}@example.com") for name in ("throttle-2", "defer-2", "throttle", "bounce")
    }
    with restarted_with(lab, "email-service", RETRY_WINDOW_SECONDS="12"):
        first = {name: lab.system.send("email", user) for name, user in users.items()}
        lab.until_ended([first["bounce"]])
        second = lab.system.send("email", users["bounce"])
        refused = [first["throttle"], first["bounce"], second]
        lab.prove(21, "421 or 451, then fine; 421 for ever; 550", [*first.values(), second], not_taken=refused)
    for name, code in {"throttle-2": "throttled", "defer-2": "deferred"}.items():
        notification = lab.detail(first[name])
        assert (notification["status"], notification["attempts"]) == ("sent", 3)
        assert [step["code"] for step in waits(notification)] == [code, code]
    assert end(lab, first["throttle"])[:2] == ("failed", "exhausted")
    assert end(lab, first["bounce"]) == ("failed", "bounced", 1)
    assert waits(lab.detail(first["bounce"])) == []
    assert end(lab, second) == ("suppressed", "address_suppressed", 0)


def test_22_the_mail_server_is_down_for_long(lab: Lab) -> None:
    user = lab.user()
    lab.provider(smtp="down")
    before, began = refusals(lab), time.monotonic()
    ids = lab.batch(user, 200)
    lab.until(lambda: breaker(lab) == 2, "the breaker opens")
    opened = refusals(lab)
    lab.until(lambda: refusals(lab) >= opened + 3 * PROBES_A_SECOND, "probes go out")
    asked, seconds = refusals(lab) - before, time.monotonic() - began
    # A kept connection that turns out dead is replaced at once: two refusals for each that was in flight.
    assert asked <= 2 * IN_FLIGHT + PROBES_A_SECOND * (seconds + 1)
    assert set(lab.statuses(ids).values()) <= {"pending", "queued"}
    lab.provider()
    lab.prove(22, "the mail server is down: breaker, then drained", ids)
    rows = lab.sql(
        "email-service", "SELECT attempts FROM email_deliveries WHERE notification_id = ANY($1::uuid[])", ids
    )
    assert {row["attempts"] for row in rows} == {1}  # the one that succeeded


def test_23_fcm_refuses_for_now_for_good_and_breaks_off(lab: Lab) -> None:
    users = {
        name: lab.user(push_token=f"{name}-{uuid4().hex}")
        for name in ("quota-2", "unavailable-2", "unregistered", "drop-1")
    }
    first = {name: lab.system.send("push", user) for name, user in users.items()}
    never = lab.system.send("push", lab.user(push_token=f"drop-1-{uuid4().hex}"), delivery_guarantee="at_most_once")
    lab.prove(
        23,
        "FCM: 429, 503, 404, a connection closed within the answer",
        [*first.values(), never],
        ambiguous=[first["drop-1"]],
        not_taken=[first["unregistered"]],
    )
    for name, code in {"quota-2": "rate_limited", "unavailable-2": "provider_unavailable"}.items():
        notification = lab.detail(first[name])
        assert (notification["status"], notification["attempts"]) == ("sent", 3)
        assert [step["code"] for step in waits(notification)] == [code, code]
    asked, asked_again = (instant(step["at"]) for step in waits(lab.detail(first["quota-2"])))
    assert (asked_again - asked).total_seconds() >= 1  # Retry-After
    assert end(lab, first["unregistered"]) == ("failed", "invalid_token", 1)
    assert lab.system.call("GET", f"/users/{users['unregistered']}/push-tokens") == []
    assert [lab.status(one) for one in (first["drop-1"], never)] == ["sent", "unknown"]
    assert [lab.copies()[one] for one in (first["drop-1"], never)] == [2, 1]
    lab.until(lambda: next_end(lab, users["unregistered"]) == "suppressed", "nobody remembers the device")


def test_41_every_other_recipient_is_answered_with_452(lab: Lab) -> None:
    user = lab.user(f"busy+{uuid4().hex}@example.com")
    # Half of what is left each time: the last of 2,000 is taken at about the eleventh attempt.
    with restarted_with(lab, "email-service", RETRY_LONGEST_SECONDS="4"):
        ids = lab.batch(user, 2_000 if WHOLE else 200)
        row = lab.prove(41, "every other recipient is answered with 452", ids, seconds=180)
    assert (row.taken, set(lab.statuses(ids).values())) == (len(ids), {"sent"})
    attempts = lab.sql(
        "email-service",
        "SELECT max(attempts) AS most FROM email_deliveries WHERE notification_id = ANY($1::uuid[])",
        ids,
    )
    assert attempts[0]["most"] > 1 + int(WorkerSettings.model_fields["max_retries"].default)


def test_44_the_first_of_two_mail_servers_dies(lab: Lab) -> None:
    """The second one takes over before a breaker's pause is over, except for what the first may have taken: that waits until
    the first is back."""
    real = int(lab.system.simulators["smtp_port"])
    with Forwarder(real).running() as first:
        servers = {
            "first": {"host": "127.0.0.1", "port": first.port},
            "second": {"host": "127.0.0.1", "port": real, "order": 2},
        }
        with restarted_with(
            lab, "email-service", EMAIL_PROVIDERS=json.dumps(servers), BREAKER_OPEN_SECONDS=str(PAUSE_SECONDS)
        ):
            ids = lab.batch(lab.user(), 1_000 if WHOLE else 200)
            lab.until(lambda: len(lab.copies().keys() & ids) > len(ids) // 10, "the first has some")
            first.kill()
            ids += lab.batch(lab.user(), 20)
            lab.until(lambda: waiting(lab, ids) <= {"first"}, "all else was sent by the second")
            ambiguous = lab.ambiguous(ids)
            unsent = {one for one, status in lab.statuses(ids).items() if status != "sent"}
            assert unsent <= ambiguous.keys()
            assert providers(lab, ids) == {"first", "second"}
            assert longest_delay(lab, ids) < PAUSE_SECONDS
            first.revive()
            lab.prove(44, "the first of two mail servers dies", ids, ambiguous=ambiguous)
            assert {lab.detail(one)["provider"] for one in ambiguous} <= {"first"}


def test_45_the_second_of_two_mail_servers_stalls_while_the_first_is_down(lab: Lab) -> None:
    """It falls silent in the middle of DATA. What it may have taken waits for it; all else goes out over the first again."""
    real = int(lab.system.simulators["smtp_port"])
    with Forwarder(real).running() as first, Forwarder(real).running() as second:
        servers = {
            "first": {"host": "127.0.0.1", "port": first.port},
            "second": {"host": "127.0.0.1", "port": second.port, "order": 2},
        }
        with restarted_with(lab, "email-service", EMAIL_PROVIDERS=json.dumps(servers), SMTP_FINAL_DOT_SECONDS="5"):
            first.kill()
            ids = lab.batch(lab.user(), 1_000 if WHOLE else 100)
            lab.until(lambda: len(lab.copies().keys() & ids) > len(ids) // 10, "the second has some")
            second.stall()
            ids += lab.batch(lab.user(), 2 * IN_FLIGHT)
            lab.until(lambda: lab.ambiguous(ids), "some are ambiguous")
            first.revive()
            lab.until(lambda: waiting(lab, ids) <= {"second"}, "all else was sent by the first")
            ambiguous = lab.ambiguous(ids)
            assert {one for one, status in lab.statuses(ids).items() if status != "sent"} <= ambiguous.keys()
            second.kill()
            second.revive()
            lab.prove(45, "the second of two mail servers stalls while the first is down", ids, ambiguous=ambiguous)
            copies = lab.copies()
            assert {copies[one] for one in ids} == {1}, "no message had passed it"
            assert providers(lab, ids) == {"first", "second"}
            assert {lab.detail(one)["provider"] for one in ambiguous} == {"second"}


def test_46_apple_ends_its_connections_in_the_middle(lab: Lab) -> None:
    """GOAWAY says which calls were not looked at: they go over another connection at once, and nothing is ambiguous."""
    well = iphone(lab, "0")
    ids: list[str] = []
    for _ in range(10 if WHOLE else 2):
        # Each does it once: GOAWAY before the call was looked at, GOAWAY and then the answer, one stream refused.
        for token in ("f001001", "f002001", "f003001"):
            user = iphone(lab, token)
            ids += [*lab.batch(well, 20, "push"), lab.system.send("push", user)]
    row = lab.prove(46, "Apple ends its connections in the middle", ids)
    assert (row.taken, set(lab.statuses(ids).values())) == (len(ids), {"sent"})
    assert lab.ambiguous(ids, "push-service") == {}


def iphone(lab: Lab, begins: str) -> str:
    """A user with one device of Apple's, whose token begins so."""
    user = lab.user()
    lab.system.call("PUT", f"/users/{user}/push-token", {"push_token": None})
    device = {"provider": "apns", "token": f"{begins}{uuid4().hex}{uuid4().hex}"[:64]}
    lab.system.call("POST", f"/users/{user}/push-tokens", {"push_token": device}, status=201)
    return user


def waiting(lab: Lab, ids: list[str]) -> set[str | None]:
    """The providers of the deliveries that were not sent yet; None stands for those that no provider has seen."""
    begun = lab.sql(
        "email-service",
        "SELECT notification_id::text AS id, state, provider, in_doubt FROM email_deliveries "
        "WHERE notification_id = ANY($1::uuid[])",
        ids,
    )
    unsent = {row["provider"] if row["in_doubt"] else None for row in begun if row["state"] != "sent"}
    return unsent if len(begun) == len(ids) else unsent | {None}


def providers(lab: Lab, ids: list[str]) -> set[str]:
    """Those that took some of the mails, as the gateway tells it."""
    return {lab.detail(one)["provider"] for one in ids if lab.status(one) == "sent"}


def longest_delay(lab: Lab, ids: list[str]) -> float:
    """Seconds from the first attempt that a mail had to wait after until it was sent, of all that were never ambiguous."""
    waited = lab.sql(
        "email-service",
        "SELECT notification_id::text AS id FROM email_deliveries "
        "WHERE deferrals > 0 AND NOT in_doubt AND notification_id = ANY($1::uuid[])",
        ids,
    )
    found = [lab.detail(row["id"]) for row in waited]
    assert all(waits(one) for one in found)
    return max(((instant(one["sent_at"]) - instant(waits(one)[0]["at"])).total_seconds() for one in found), default=0.0)


def steps(lab: Lab, notification_id: str) -> list[str]:
    return [step["status"] for step in lab.detail(notification_id)["timeline"]]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def waits(notification: Any) -> list[Any]:
    """Its attempts that were put off."""
    return [step for step in notification["timeline"] if step["status"] == "retrying"]


def end(lab: Lab, notification_id: str) -> tuple[str, str | None, int]:
    notification = lab.detail(notification_id)
    return notification["status"], notification["error"], notification["attempts"]


def next_end(lab: Lab, user: str) -> str:
    """How a new push to this user ends."""
    return str(lab.system.follow(lab.system.send("push", user), seconds=60)["status"])


def message_ids(lab: Lab, notification_id: str) -> set[str]:
    """Under which Message-IDs the mail server has it."""
    found = [one["message_id"] for one in lab.system.messages("email")]
    return {one for one in found if notification_id in one}


def refusals(lab: Lab) -> int:
    """How often the mail server has turned somebody away."""
    answer = lab.system.http.get(f"{lab.system.simulators['base_url']}/api/arrivals", params={"kind": "email"})
    return int(answer.json()["refused"])


def breaker(lab: Lab) -> float:
    """`circuit_breaker_state` of the mail server: 0 closed, 1 half open, 2 open."""
    metrics = lab.system.http.get(f"http://127.0.0.1:{lab.system.ports['email-service']}/metrics").text
    line = next(line for line in metrics.splitlines() if line.startswith('circuit_breaker_state{name="smtp"}'))
    return float(line.split()[-1])

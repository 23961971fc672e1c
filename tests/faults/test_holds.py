"""Processes killed while notifications are held, given back, released and cancelled (faults 47 and 48); held providers."""

import json
from collections.abc import Iterable

import pytest

from testkit.eventually import remains
from tests.faults.lab import WHOLE, Lab, restarted_with

MANY = 5_000 if WHOLE else 1_200  # more than one piece of a release


def _hold(lab: Lab) -> str:
    asked = {"template_code": "welcome", "notification_type": "email", "reason": "a fault"}
    return str(lab.system.call("POST", "/holds", asked, status=201)["hold_id"])


def _held(lab: Lab, ids: Iterable[str]) -> int:
    held = "held_by IS NOT NULL AND status = 'pending' AND id = ANY($1::uuid[])"
    counted = f"SELECT count(*) AS held FROM notifications WHERE {held}"
    return int(lab.sql("api-gateway", counted, list(ids))[0]["held"])


@pytest.mark.parametrize("end", ["release", "cancel"])
def test_47_gateway_killed_while_it_holds_and_while_it_ends_the_hold(lab: Lab, end: str) -> None:
    hold = _hold(lab)
    ids = lab.batch(lab.user(), MANY)
    lab.kill("api-gateway")
    lab.start_again("api-gateway")
    lab.until(lambda: _held(lab, ids) == MANY, "all are held")
    sent = lab.copies()
    assert not any(sent[one] for one in ids)
    method, path = ("DELETE", f"/holds/{hold}") if end == "release" else ("POST", f"/holds/{hold}/cancel")
    lab.system.call(method, path)
    lab.until(lambda: _held(lab, ids) < MANY, "the first piece")
    lab.kill("api-gateway")
    assert _held(lab, ids) > 0
    lab.start_again("api-gateway")
    not_taken = () if end == "release" else ids
    lab.prove(47, f"gateway killed while it holds, and at the {end}", ids, not_taken=not_taken)
    copies = lab.copies()
    assert {copies[one] for one in ids} == {1 if end == "release" else 0}


@pytest.mark.parametrize("end", ["release", "cancel"])
def test_48_worker_killed_while_it_gives_back_what_is_held(lab: Lab, end: str) -> None:
    lab.kill("email-service")
    ids = lab.batch(lab.user(), MANY)
    lab.until_all(ids, {"queued"})
    hold = _hold(lab)
    lab.system.start_service("email-service")
    lab.until(lambda: _held(lab, ids) > 0, "the first are given back")
    lab.kill("email-service")
    if end == "cancel":  # what still waits in the queue, too
        lab.system.call("POST", f"/holds/{hold}/cancel")
    lab.start_again("email-service")
    if end == "release":
        lab.until(lambda: _held(lab, ids) == MANY, "all are held")
        lab.system.call("DELETE", f"/holds/{hold}")
    not_taken = () if end == "release" else ids
    lab.prove(48, f"worker killed while it gives back what is held, then {end}", ids, not_taken=not_taken)
    copies = lab.copies()
    assert {copies[one] for one in ids} == {1 if end == "release" else 0}


def test_a_held_mail_server_is_not_called_and_when_both_are_held_all_waits(lab: Lab) -> None:
    server = {"host": "127.0.0.1", "port": int(lab.system.simulators["smtp_port"])}
    servers = json.dumps({"first": server, "second": {**server, "order": 2}})

    def hold(name: str) -> str:
        asked = {"provider": name, "reason": "a fault"}
        return str(lab.system.call("POST", "/holds", asked, status=201)["hold_id"])

    with restarted_with(lab, "email-service", EMAIL_PROVIDERS=servers):
        assert _providers(lab, 20) == {"first"}
        first = hold("first")
        lab.until(lambda: _providers(lab, 1) == {"second"}, "the worker knows the hold")
        assert _providers(lab, 20) == {"second"}
        lab.kill("email-service")
        second = hold("second")
        waiting = lab.batch(lab.user(), MANY)
        lab.until_all(waiting, {"queued"})
        lab.system.start_service("email-service", env={"EMAIL_PROVIDERS": servers})
        lab.system.wait_ready("email-service")
        remains(lambda: lab.copies().keys() & set(waiting), 2, holds=lambda sent: not sent)
        for one in (first, second):
            lab.system.call("DELETE", f"/holds/{one}")
        lab.until_all(waiting, {"sent"})
        copies = lab.copies()
        assert {copies[one] for one in waiting} == {1}
        lab.reconcile()


def _providers(lab: Lab, number: int) -> set[str]:
    """Who takes so many new mails."""
    ids = lab.batch(lab.user(), number)
    lab.until_all(ids, {"sent"})
    return {str(lab.detail(one)["provider"]) for one in ids}

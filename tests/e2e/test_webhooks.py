"""What the simulated provider reports after it took a mail: through the gateway, to the e-mail service, into the timeline."""

import hashlib
from uuid import uuid4

from testkit.eventually import wait_until
from tests.faults.lab import Lab


def person(lab: Lab, word: str) -> tuple[str, str]:
    """A new user with a magic address, and the fingerprint of the address."""
    address = f"{word}+{uuid4().hex}@example.com"
    return lab.user(address), hashlib.sha256(address.encode()).hexdigest()


def history(lab: Lab, notification_id: str) -> list[tuple[str, str | None]]:
    return [(step["status"], step.get("code")) for step in lab.detail(notification_id)["timeline"]]


def test_a_delivery_and_a_bounce_are_in_the_timeline_and_the_books_add_up(started_lab: Lab) -> None:
    lab = started_lab
    people = {word: person(lab, word) for word in ("delivered", "bounced", "full", "early", "deferred", "slow")}
    sent = {word: lab.system.send("email", user) for word, (user, _) in people.items()}
    ends = {"bounced": "failed", "full": "failed"}
    for word, one in sent.items():
        end = ends.get(word, "delivered")
        lab.until(lambda one=one, end=end: lab.status(one) == end, f"{word}@ is {end}")
        assert lab.detail(one)["sent_at"] is not None, word
    assert lab.detail(sent["bounced"])["error"] == "bounced"
    assert ("sent", None) in history(lab, sent["delivered"])
    assert history(lab, sent["delivered"])[-1][0] == "delivered"
    lab.system.call("GET", f"/suppressions/{people['bounced'][1]}")
    lab.system.call("GET", f"/suppressions/{people['full'][1]}", status=404)
    proof = lab.system.call("GET", "/reconcile")
    ledger = proof["channels"]["email"]["ledger"]
    assert (proof["unaccounted"], ledger["unfounded"], ledger["unreported"]) == (0, 0, 0)


def test_a_complaint_suppresses_the_address_of_a_delivered_mail(started_lab: Lab) -> None:
    user, fingerprint = person(started_lab, "complaint")
    sent = started_lab.system.send("email", user)
    started_lab.until(
        lambda: started_lab.detail(sent)["error"] == "complained", "it is delivered, and complained about"
    )
    assert history(started_lab, sent)[-1] == ("delivered", "complained")
    url = f"{started_lab.system.gateway}/api/v1/suppressions/{fingerprint}"
    wait_until(lambda: started_lab.system.http.get(url).status_code == 200, 20, "the address is suppressed")
    assert started_lab.system.call("GET", f"/suppressions/{fingerprint}")["reason"] == "complained"


def test_who_does_not_have_the_password_changes_nothing(started_lab: Lab) -> None:
    lab = started_lab
    user, fingerprint = person(lab, "ada")
    sent = lab.system.send("email", user)
    lab.until_ended([sent])
    event = {"RecordType": "SpamComplaint", "Email": lab.system.call("GET", f"/users/{user}")["email"],
             "Metadata": {"notification-id": sent}}  # fmt: skip
    for name, status in (("postmark", 401), ("ses", 404), ("unknown", 404)):
        answer = lab.system.http.post(f"{lab.system.gateway}/api/v1/webhooks/{name}", json=event)
        assert answer.status_code == status, answer.text
    lab.system.call("GET", f"/suppressions/{fingerprint}", status=404)
    assert lab.status(sent) == "sent"

"""A mail comes back: through the gateway to the e-mail service, back as a status, and into the proof."""

import hashlib
from uuid import uuid4

from testkit.returned_mails import delivery_report
from tests.faults.lab import Lab


def test_a_bounce_fails_the_notification_suppresses_the_address_and_the_books_add_up(started_lab: Lab) -> None:
    system, secret = started_lab.system, uuid4().hex
    address = f"ada+{secret}@example.com"
    person = {"name": "Ada", "email": address, "password": uuid4().hex}
    user = str(system.call("POST", "/users/", person)["id"])
    sent = system.send("email", user)
    started_lab.until_ended([sent])
    assert started_lab.detail(sent)["status"] == "sent"
    mail = delivery_report(address, message_id=sent)
    headers = {"Content-Type": "message/rfc822"}
    answer = system.http.post(f"{system.gateway}/api/v1/bounces", content=mail, headers=headers)
    assert answer.json()["data"] == {"result": "hard"}, answer.text
    started_lab.until(lambda: started_lab.detail(sent)["status"] == "failed", "it has bounced")
    detail = started_lab.detail(sent)
    assert (detail["error"], detail["sent_at"] is not None) == ("bounced", True)
    listed = system.call("GET", "/suppressions?reason=bounced")
    fingerprint = hashlib.sha256(address.encode()).hexdigest()
    assert fingerprint in [entry["fingerprint"] for entry in listed]
    again = system.send("email", user)
    started_lab.until_ended([again])
    assert started_lab.detail(again)["status"] == "suppressed"
    proof = system.call("GET", "/reconcile")
    ledger = proof["channels"]["email"]["ledger"]
    assert (proof["unaccounted"], ledger["unfounded"], ledger["unreported"]) == (0, 0, 0)
    system.call("DELETE", f"/suppressions/{fingerprint}")
    system.call("GET", f"/suppressions/{fingerprint}", status=404)

"""What a provider reports about a mail comes at the wrong time (faults 49 and 50)."""

import hashlib
from uuid import uuid4

from testkit.system import WEBHOOK_PASSWORD
from tests.faults.lab import WHOLE, Lab


def test_49_the_report_comes_before_the_answer_and_the_worker_dies(lab: Lab) -> None:
    """The provider took the mails and has said so, but not in the SMTP dialogue: ambiguous, and none is sent again."""
    user = lab.user(f"early+{uuid4().hex}@example.com")
    quick = lab.batch(user, 200 if WHOLE else 20)
    lab.until_all(quick, {"delivered"})
    lab.provider(smtp="stall")
    ids = lab.batch(user, 20)
    lab.until(lambda: reported(lab, ids) == len(ids), "each was reported, and none was answered")
    assert {lab.ledger(one) for one in ids} == {"sending"}
    lab.kill("email-service")
    lab.provider()
    lab.start_again("email-service")
    lab.prove(49, "the report comes before the answer, and the worker dies", [*quick, *ids])
    lab.until_all(ids, {"delivered"})
    assert lab.ambiguous(ids).keys() == set(ids)


def test_50_a_bounce_of_long_ago(lab: Lab) -> None:
    """Retention has deleted its notification: the address is suppressed, and nothing else changes."""
    address, forgotten = f"ada+{uuid4().hex}@example.com", str(uuid4())
    user = lab.user(address)
    before = lab.system.send("email", user)
    lab.until_ended([before])
    event = {"RecordType": "Bounce", "Type": "HardBounce", "ID": 7, "MessageID": str(uuid4()), "Email": address,
             "Metadata": {"notification-id": forgotten}}  # fmt: skip
    url = f"{lab.system.gateway}/api/v1/webhooks/postmark"
    for _ in range(2):
        answer = lab.system.http.post(url, json=event, auth=("postmark", WEBHOOK_PASSWORD))
        assert answer.json()["data"] == {"events": 1}, answer.text
    after = lab.system.send("email", user)
    lab.prove(50, "a bounce of long ago", [before, after], not_taken=[after])
    assert [lab.status(one) for one in (before, after)] == ["sent", "suppressed"]
    fingerprint = hashlib.sha256(address.encode()).hexdigest()
    assert lab.system.call("GET", f"/suppressions/{fingerprint}")["origin"] == "bounce"
    lab.system.call("GET", f"/notifications/{forgotten}", status=404)


def reported(lab: Lab, ids: list[str]) -> int:
    """How many of the mails a provider has reported as delivered."""
    found = "SELECT count(*) AS mails FROM email_confirmations WHERE notification_id = ANY($1::uuid[])"
    return int(lab.sql("email-service", found, ids)[0]["mails"])

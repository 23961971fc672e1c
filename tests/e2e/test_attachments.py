"""Files and copies of an e-mail, from the request to the provider's side."""

import base64
import email
from email import policy
from uuid import uuid4

from testkit.system import System

PDF = b"%PDF-1.7\r\n" + bytes(range(256)) * 8_000
NAME = "Rechnung \N{EURO SIGN}.pdf"


def test_a_file_and_a_copy_arrive_with_the_mail(system: System, user: str) -> None:
    copy, blind = (f"{uuid4().hex}@example.com" for _ in range(2))
    file = {"filename": NAME, "content_type": "application/pdf", "content": base64.b64encode(PDF).decode()}
    sent = system.send("email", user, email={"cc": [copy], "bcc": [blind], "attachments": [file]})
    followed = system.follow(sent)
    assert (followed["status"], followed["attachments"][0]["size"]) == ("sent", len(PDF))
    arrived = [one for one in system.messages("email") if one["message_id"].startswith(f"<{sent}")]
    assert len(arrived) == 3
    assert {copy, blind} < {one["recipient"] for one in arrived}
    source = system.message(arrived[0]["id"])["source"]
    assert blind not in source
    mail = email.message_from_string(source, policy=policy.SMTPUTF8)
    [attached] = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_payload(decode=True)) == (NAME, PDF)

"""What is hard to write in a mail arrives as intended, in two parsers of others: Python's `email` and npm's `mailparser`."""

import email
import json
import os
import subprocess
from base64 import b64decode, b64encode
from email.message import EmailMessage
from email.policy import default
from html import unescape
from typing import Any
from uuid import uuid4

import pytest

from email_service.dkim.keys import DkimKeys
from testkit.dkim_keys import verdicts
from testkit.system import ROOT, System
from tests.faults.lab import Lab

JUDGES = ROOT / "tests" / "openapi"
NAME = '\u05d3\u05d5\u05d3 \u05d1\u05df-\u05d2\u05d5\u05e8, "\u0627\u0644\u0645\u062f\u064a\u0631" <x@y.io>'
PLAIN_NAME = 'Ada "the first" O\'Brien, Ltd. <x@y.io>'  # the whole text is ASCII then
QUOTES = 'He said: "it\'s 5 < 6 & 7 > 2" \\ {{ braces }} {% tag %}'
LINES = "first\nsecond\r\nthird\n\n.\n..fifth\nFrom the sixth"
LONG = "".join(f"{number:04d} " for number in range(600))  # 3,000 characters
SUBJECT = "\N{PARTY POPPER}\N{WOMAN}\u200d\N{PERSONAL COMPUTER}\N{VARIATION SELECTOR-16} {{ quotes }} {{ lines }}"
FILE = ('\N{PAPERCLIP} \u05d7\u05e9\u05d1\u05d5\u05df "n\u00ba 1".pdf', bytes(range(256)) * 20 + b"\r\n.\r\n")
TEXT = "{{ name }}|{{ quotes }}|{{ lines }}|{{ long }}|end"
TEMPLATE = {
    "name": "Difficult", "language": "en", "subject": SUBJECT,
    "content": "<p>{{ name }}</p><p>{{ quotes }}</p><pre>{{ lines }}</pre><p>{{ long }}</p>", "text": TEXT,
}  # fmt: skip


def received(started_lab: Lab, name: str) -> str:
    """The mail as the mail server got it."""
    system, code, address = started_lab.system, f"difficult-{uuid4().hex}", f"{uuid4().hex}@example.com"
    system.call("POST", "/templates/", {"code": code, **TEMPLATE})
    person = {"name": name, "email": address, "password": uuid4().hex}
    user = str(system.call("POST", "/users/", person)["id"])
    given = {"name": name, "quotes": QUOTES, "lines": LINES, "long": LONG}
    filename, content = FILE
    file = {"filename": filename, "content_type": "application/pdf", "content": b64encode(content).decode()}
    sent = system.send("email", user, template_code=code, variables=given, email={"attachments": [file]})
    assert system.follow(sent)["status"] == "sent"
    return mail_of(system, address)


def mail_of(system: System, address: str) -> str:
    listed = system.http.get(f"{system.simulators['base_url']}/api/messages", params={"recipient": address})
    [found] = listed.json()["messages"]
    return str(system.message(found["id"])["source"])


def mailparser(source: str) -> Any:
    subprocess.run(["make", JUDGES.relative_to(ROOT) / "node_modules" / ".ready"], cwd=ROOT, check=True)
    environment = {**os.environ, "NODE_PATH": str(JUDGES / "node_modules")}
    command = ["node", ROOT / "tests" / "e2e" / "parse_mail.cjs"]
    return json.loads(
        subprocess.run(command, input=source.encode(), env=environment, capture_output=True, check=True).stdout
    )


@pytest.mark.parametrize("name", [NAME, PLAIN_NAME], ids=["right_to_left", "ascii"])
def test_every_value_arrives_and_the_signature_verifies(started_lab: Lab, name: str) -> None:
    source = received(started_lab, name)
    subject = SUBJECT.replace("{{ quotes }}", QUOTES).replace("{{ lines }}", " ".join(LINES.split()))
    text = f"{name}|{QUOTES}|{LINES}|{LONG}|end".replace("\r\n", "\n")
    ours = email.message_from_bytes(source.encode(), policy=default)
    assert isinstance(ours, EmailMessage)
    theirs = mailparser(source)
    assert ours["Subject"] == theirs["subject"] == subject
    assert [one.display_name for one in ours["To"].addresses] == [one["name"] for one in theirs["to"]] == [name]
    body = ours.get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n").removesuffix("\n") == theirs["text"].removesuffix("\n") == text
    html = ours.get_body(("html",))
    assert html is not None
    for value in (name, QUOTES, LONG):
        assert value in unescape(html.get_content())
        assert value in unescape(theirs["html"])
    [attached] = [(part.get_filename(), part.get_content()) for part in ours.iter_attachments()]
    [parsed] = [(one["filename"], b64decode(one["content"])) for one in theirs["attachments"]]
    assert attached == parsed == FILE
    assert max(map(len, source.splitlines())) <= 998
    records = {key.record_name: key.record for key in DkimKeys.parse(started_lab.dkim_keys).all}
    assert verdicts(source.encode(), records) == [True]

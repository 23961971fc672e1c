"""What reports say, in the forms in which servers write them; and what hostile ones cost."""

import contextlib
import time
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from email_service.bounces.reading import MAX_BYTES, BounceReport, UnreadableBounceReport, read_report
from testkit.returned_mails import complaint, delivery_report

PATH = f"bounces+{'a' * 55}@bounces.example.org"


@pytest.mark.parametrize(
    ("given", "kind", "status"),
    [
        ({}, "failed", "5.1.1"),
        ({"status": "5.0.0", "said": "550 5.1.1 no such user"}, "failed", "5.1.1"),
        ({"status": "5.0.0", "said": "550 no such user"}, "failed", "5.0.0"),
        ({"status": "4.4.7", "said": ""}, "failed", "4.4.7"),
        ({"action": "delayed", "status": "4.4.1"}, "delayed", "4.4.1"),
        ({"action": "Delivered", "status": "2.1.5"}, "delivered", "2.1.5"),
        ({"action": "exploded"}, "unrecognised", ""),
    ],
)
def test_a_delivery_report_is_understood(given, kind, status):
    identity = uuid4()
    report = read_report(delivery_report("Ada@Example.com", message_id=identity, **given))
    assert (report.kind, report.status) == (kind, status)
    assert report.message_ids == (identity,)
    assert "Ada@Example.com" in report.addresses


@pytest.mark.parametrize(
    ("kind", "meant"), [("abuse", "complained"), ("fraud", "complained"), ("not-spam", "unrecognised")]
)
def test_a_complaint_is_understood_and_its_opposite_is_none(kind, meant):
    assert read_report(complaint("ada@example.com", PATH, kind=kind)) == BounceReport(
        meant, "", ("ada@example.com",), (PATH, PATH), ()
    )


QMAIL = b"""From: MAILER-DAEMON@mx.example.net
To: bounces@example.org
Subject: failure notice

Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ada@example.com>:
192.0.2.1 does not like recipient.
Remote host said: 550 no such user
Giving up on 192.0.2.1.

--- Below this line is a copy of the message.

Message-ID: <01890a5d-ac96-774b-bcce-b302099a8057@example.org>
"""


def test_reports_from_before_the_standard_are_understood():
    report = read_report(QMAIL)
    assert (report.kind, report.addresses) == ("failed", ("ada@example.com",))
    assert len(report.message_ids) == 1
    exim = b"X-Failed-Recipients: ada@example.com\nAuto-Submitted: auto-replied\n\nbounced"
    assert read_report(exim) == BounceReport("failed", "", ("ada@example.com",), named=("ada@example.com",))


@pytest.mark.parametrize("header", ["Auto-Submitted: auto-replied", "Precedence: auto_reply", "X-Autoreply: yes"])
def test_an_automatic_answer_is_none(header):
    mail = f"From: ada@example.com\n{header}\nSubject: Out of office\n\nada@example.com is away. 550 5.1.1"
    assert read_report(mail.encode()).kind == "auto_reply"


def test_a_letter_is_no_report():
    assert read_report(b"From: ada@example.com\nSubject: Hi\n\nThank you!").kind == "unrecognised"


def nested(depth: int) -> bytes:
    head = "".join(f'Content-Type: multipart/mixed; boundary="b{i}"\n\n--b{i}\n' for i in range(depth))
    return head.encode() + b"\n" * 10


HOSTILE = {
    "10 MB": b"Subject: x\n\n" + b"x" * 10_000_000,
    "too many lines": b"Subject: x\n\n" + b"\r" * 500_000,
    "a header with many parameters": b"Content-Type: multipart/mixed" + b';"' * 400_000 + b"\n\n",
    "a folded header": b"Content-Type: multipart/mixed" + b"\n ;a=b" * 10_000 + b"\n\n",
    "nested deeply": nested(2_000),
}
CHEAP = {
    "nested as deep as it may be": nested(11) + b"--b\n" * 49_000,
    "many headers": b"X: y\n" * 49_000,
    "a long header": b"Subject: " + b"x" * 1_000_000,
    "a bad charset": b"Content-Type: text/plain; charset=no-such\xff\nSubject: =?no-such?B?//8=?=\n\n\xff\xfe\x00",
    "many addresses": b"X-Failed-Recipients: " + b"a@b.example, " * 70_000,
    "at signs": b"X-Failed-Recipients: " + b"@" * 900_000,
    "almost return paths": b"\n\n" + b"bounces+" * 120_000,
    "almost statuses": delivery_report("a@b.example", said="5." * 200_000),
    "nothing": b"",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_mails_that_would_take_long_are_refused_at_once(raw):
    began = time.process_time()
    with pytest.raises(UnreadableBounceReport):
        read_report(raw)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("raw", CHEAP.values(), ids=CHEAP)
def test_reading_takes_a_limited_time(raw):
    began = time.process_time()
    with contextlib.suppress(UnreadableBounceReport):
        assert len(read_report(raw).addresses) <= 20
    assert time.process_time() - began < 3


@settings(deadline=None)
@given(st.binary(max_size=2_000))
def test_any_bytes_are_read_or_refused(raw):
    for mail in (raw, delivery_report("ada@example.com").replace(b"failed", raw)):
        try:
            read_report(mail)
        except UnreadableBounceReport:
            continue


def test_the_largest_mail_is_as_large_as_a_request_may_be():
    assert MAX_BYTES == 1_048_576

"""Bounces and complaints, as mail servers and mailbox providers write them."""

from uuid import UUID


def delivery_report(
    address: str,
    *,
    action: str = "failed",
    status: str = "5.1.1",
    said: str = "550 5.1.1 no such user",
    to: str = "bounces@example.org",
    message_id: UUID | None = None,
) -> bytes:
    """RFC 3464, with the headers of the mail that came back."""
    returned = "" if message_id is None else f"Message-ID: <{message_id}@example.org>\n"
    return f"""From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_report"

--=_report
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--=_report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Thu, 1 Jan 2026 12:00:00 +0000

Final-Recipient: rfc822; {address}
Action: {action}
Status: {status}
Remote-MTA: dns; mail.example.com
Diagnostic-Code: smtp; {said}

--=_report
Content-Type: text/rfc822-headers

{returned}To: Ada <{address}>
Subject: Hi

--=_report--
""".replace("\n", "\r\n").encode()


def complaint(address: str, return_path: str, *, kind: str = "abuse") -> bytes:
    """RFC 5965, with the mail that it is about."""
    return f"""From: feedback@mailbox.example
To: complaints@bounces.example.org
Subject: FW: Hi
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="=_report"

--=_report
Content-Type: text/plain

This is an email abuse report.

--=_report
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{return_path}>

--=_report
Content-Type: message/rfc822

Return-Path: <{return_path}>
From: The Sender <sender@example.org>
To: Ada <{address}>
Subject: Hi

Hi

--=_report--
""".replace("\n", "\r\n").encode()

"""Files, pictures and copies come out of Python's own parser as they were put in."""

import asyncio
import email
import re
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.security import Sender
from contracts.addresses import parse_mailbox
from contracts.emails import AttachmentRef
from delivery.channel import DeliveryContext
from email_service.attachments import ByteLimit, LoadedAttachment, in_base64
from email_service.dkim.keys import DkimKeys
from email_service.dkim.signing import DkimSigner, body_hash
from email_service.extras import ExtendedEmail, Extras
from email_service.mails import MailWriter
from email_service.mime import MessageBuilder
from testkit.dkim_keys import ed25519, inline, rsa
from testkit.dkim_keys import verdicts as verdicts_of
from testkit.eventually import other_tasks

SENDER, ADA, BO = (parse_mailbox(f"{name}@example.org") for name in ("sender", "ada", "bo"))
CONTEXT = DeliveryContext(UUID("01890a5d-ac96-774b-bcce-b302099a8057"), "c", 5)
BUILDER = MessageBuilder(SENDER, "")
BOTH = DkimKeys.parse(f"example.org:r1:{inline(rsa())},example.org:e1:{inline(ed25519())}")
PDF = b"%PDF-1.7\r\n.\r\n" + bytes(range(256)) * 300
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
NAMES = [
    "invoice.pdf",
    "Rechnung März \N{GRINNING FACE}.pdf",
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} \N{ARABIC LETTER ALEF}.pdf",
    'a "quoted" name; x=y.pdf',
    "it's 100%=.pdf",
    "long " * 30 + "\N{CJK UNIFIED IDEOGRAPH-65E5}.pdf",
]


def attachment(
    content: bytes, filename: str, content_type: str = "application/pdf", **others: object
) -> LoadedAttachment:
    ref = AttachmentRef(
        id=uuid4(),
        filename=filename,
        content_type=content_type,
        size=len(content),
        sha256=sha256(content).hexdigest(),
        **others,
    )
    return LoadedAttachment(ref, in_base64(content))


LOGO = attachment(PNG, "logo.png", "image/png", content_id="logo@1", disposition="inline")


def written(html: str = "<p>Hi</p>", text: str = "Hi", context: DeliveryContext = CONTEXT, **extras: object) -> bytes:
    return BUILDER.write(ExtendedEmail("Hi", html, text, Extras(**extras)), "Ada", ADA, context)


def parsed(raw: bytes) -> EmailMessage:
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(raw, policy=policy.SMTPUTF8)
    assert all(not part.defects for part in message.walk())
    return message  # type: ignore[return-value]


def shape(part: EmailMessage) -> object:
    kind = part.get_content_type()
    return {kind: [shape(one) for one in part.iter_parts()]} if part.is_multipart() else kind


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("html", ["", "<p>Hi</p>"])
def test_a_file_comes_back_with_its_name(name, html):
    message = parsed(written(html, attachments=(attachment(PDF, name),)))
    [file] = message.iter_attachments()
    assert (file.get_filename(), file.get_content_type()) == (name, "application/pdf")
    assert file.get_content_disposition() == "attachment"
    assert file.get_payload(decode=True) == PDF
    assert message.get_body(("plain",)).get_content().strip() == "Hi"


def test_a_picture_is_beside_the_html_part_that_shows_it():
    message = parsed(written('<img src="cid:logo@1">', attachments=(LOGO, attachment(PDF, "a.pdf"))))
    related = {"multipart/related": ["text/html", "image/png"]}
    assert shape(message) == {
        "multipart/mixed": [{"multipart/alternative": ["text/plain", related]}, "application/pdf"]
    }
    picture = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert (picture["Content-ID"], picture.get_content_disposition()) == ("<logo@1>", "inline")
    assert picture.get_payload(decode=True) == PNG
    assert message.get_body(("html",)).get_content() == '<img src="cid:logo@1">'


def test_the_longest_name_of_a_picture_is_written_as_the_html_part_has_it():
    name = "a.!#$&*+=_~@-".ljust(100, "z")
    raw = written(
        f'<img src="cid:{name}">', attachments=(LOGO._replace(ref=LOGO.ref.model_copy(update={"content_id": name})),)
    )
    assert f"\r\nContent-ID: <{name}>\r\n".encode() in raw
    [picture] = [part for part in parsed(raw).walk() if part.get_content_type() == "image/png"]
    assert picture["Content-ID"] == f"<{name}>"


def test_pictures_alone_need_no_mixed_part_and_without_html_they_are_files():
    related = {"multipart/related": ["text/html", "image/png"]}
    assert shape(parsed(written(attachments=(LOGO,)))) == {"multipart/alternative": ["text/plain", related]}
    assert shape(parsed(written("", attachments=(LOGO,)))) == {"multipart/mixed": ["text/plain", "image/png"]}


def test_the_parameters_of_a_type_are_kept():
    invitation = attachment(b"BEGIN:VCALENDAR", "i.ics", "text/calendar; method=REQUEST; charset=utf-8")
    [file] = parsed(written(attachments=(invitation,))).iter_attachments()
    assert (file.get_content_type(), file.get_param("method"), file.get_content_charset()) == (
        "text/calendar",
        "REQUEST",
        "utf-8",
    )


@pytest.mark.parametrize("name", ["mixed", "part", "related"])
@pytest.mark.parametrize("end", ["", "--"])
def test_a_text_cannot_end_a_part(name, end):
    text = f"a\n--=_{name}_of_one_notification{end}\nb"
    message = parsed(written(text, text, attachments=(LOGO, attachment(PDF, "a.pdf"))))
    assert [message.get_body((kind,)).get_content().split() for kind in ("plain", "html")] == [text.split()] * 2
    assert len(list(message.iter_attachments())) == 1


@settings(deadline=None, max_examples=100)
@given(
    content=st.binary(min_size=1, max_size=400), name=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)
)
def test_any_file_comes_back(content, name):
    raw = written(attachments=(attachment(content, name),))
    [file] = email.message_from_bytes(raw, policy=policy.SMTPUTF8).iter_attachments()
    assert file.get_payload(decode=True) == content
    assert file.get_filename() == name


def test_copies_have_a_header_and_blind_ones_none():
    cc = tuple(parse_mailbox(f"copy{number}@bücher.example") for number in range(10))
    raw = written(cc=cc, bcc=(BO,))
    message = parsed(raw)
    assert [one.addr_spec for one in message["Cc"].addresses] == [one.spec for one in cc]
    assert [one.addr_spec for one in message["To"].addresses] == [ADA.spec]
    assert message["Bcc"] is None
    assert b"bo@example.org" not in raw
    assert Extras(cc, (BO,)).copies == (*(one.spec for one in cc), BO.spec)


def test_the_recipient_gets_no_copy():
    mail = ExtendedEmail("Hi", "", "Hi", Extras((parse_mailbox("ADA@example.org"), BO), (ADA,)))
    assert mail.without_copy_to(ADA).extras == Extras((BO,), ())


def test_the_notifications_reply_to_goes_before_the_applications():
    context = replace(CONTEXT, sender=Sender(reply_to="help@example.net"))
    assert parsed(written(context=context, reply_to=BO))["Reply-To"] == "bo@example.org"
    assert parsed(written(context=context))["Reply-To"] == "help@example.net"
    assert parsed(written(reply_to=BO))["Reply-To"] == "bo@example.org"


@pytest.mark.parametrize("text", ["Hi", "blanks   and\t\ttabs  \n at ends \t\n\n\n" * 9_000])
async def test_a_mail_with_files_verifies(text):
    """Also one whose body is hashed in pieces."""
    writer = MailWriter(BUILDER, DkimSigner(BOTH, default_domain=SENDER.domain))
    extras = Extras((BO,), (), BO, (LOGO, attachment(PDF * 20, NAMES[1])))
    raw = await writer.write(ExtendedEmail("Hi", f"<p>{text}</p>", text, extras), "Ada", ADA, CONTEXT)
    writer.close()
    assert len(raw) > 1_000_000
    assert verdicts_of(raw, {key.record_name: key.record for key in BOTH.all}) == [True, True]
    changed = raw.replace(b"Cc: <bo@example.org>", b"Cc: <eve@example.org>")
    assert verdicts_of(changed, {key.record_name: key.record for key in BOTH.all}) == [False, False]


def relaxed_hash(body: bytes) -> bytes:
    """RFC 6376, 3.4.4, line by line."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    text = b"\r\n".join(lines).rstrip(b"\r\n")
    return sha256(text + b"\r\n" if text else b"").digest()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([b"a b\r\n", b"\t \r\n", b"\r\n", b"x" * 30_000 + b"\r\n", b" " * 70_000 + b"y\r\n"])))
def test_a_body_in_pieces_has_the_hash_of_the_whole(lines):
    body = b"".join(lines)
    assert body_hash(body) == relaxed_hash(body)
    assert body_hash(body + b"end ") == relaxed_hash(body + b"end ")


async def test_the_memory_for_files_is_given_in_turn():
    budget = ByteLimit(10)
    assert await budget.take(7) == 7
    waiting = [asyncio.create_task(budget.take(size)) for size in (4, 2, 50)]
    await other_tasks()
    assert not any(task.done() for task in waiting), "a small one does not overtake"
    budget.give_back(7)
    assert [await waiting[0], await waiting[1]] == [4, 2]
    await other_tasks()
    assert not waiting[2].done()
    budget.give_back(4)
    budget.give_back(2)
    assert await waiting[2] == 10, "more than there is goes alone"
    budget.give_back(10)


async def test_a_task_that_stops_waiting_for_memory_takes_none():
    budget = ByteLimit(10)
    await budget.take(10)
    gone, next_one = (asyncio.create_task(budget.take(size)) for size in (10, 3))
    await other_tasks()
    gone.cancel()
    budget.give_back(10)
    assert await next_one == 3
    assert await budget.take(7) == 7

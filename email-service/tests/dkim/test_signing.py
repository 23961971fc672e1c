"""What is signed here holds for an independent verifier, and for nothing but the message that was signed."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.security import Sender
from contracts.addresses import parse_mailbox
from delivery.channel import DeliveryContext
from email_service.dkim.keys import DkimKeys
from email_service.dkim.signing import DkimSigner
from email_service.mails import MailWriter
from email_service.mime import MessageBuilder
from templating import RenderedEmail
from testkit.dkim_keys import ed25519, inline, rsa
from testkit.dkim_keys import verdicts as verdicts_of

SENDER, ADA = parse_mailbox("sender@example.org"), parse_mailbox("ada@example.com")
IDENTITY = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
CONTEXT = DeliveryContext(IDENTITY, "correlation-1", 5)
BOTH = DkimKeys.parse(f"example.org:r1:{inline(rsa())},example.org:e1:{inline(ed25519())}")
RTL = "\N{RIGHT-TO-LEFT OVERRIDE}\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} \N{ARABIC LETTER ALEF}"


def verdicts(message: bytes, keys: DkimKeys) -> list[bool]:
    return verdicts_of(message, {key.record_name: key.record for key in keys.all})


def writer(keys: DkimKeys = BOTH) -> MailWriter:
    return MailWriter(MessageBuilder(SENDER, "The Sender"), DkimSigner(keys, default_domain=SENDER.domain))


async def written(subject="Hi", html="", text="Hi", name="Ada", *, context=CONTEXT, keys=BOTH) -> bytes:
    return await writer(keys).write(RenderedEmail(subject, html, text), name, ADA, context)


@pytest.mark.parametrize(
    "content",
    [
        {"subject": "\N{GRINNING FACE} " * 40},
        {"text": "x" * 3_000},
        {"html": "<p>" + "word " * 600 + "</p>"},
        {"name": RTL, "subject": RTL},
        {"text": ".\n..\n.dot\n\n."},
        {"text": ""},
        {"text": "\n\n\n"},
        {"text": " \t \n\t\n  "},
        {"text": "blanks   and\t\ttabs  \n at ends \t\n\n\n"},
        {"subject": "  a   subject  with   blanks  "},
        {"subject": "word " * 60},
    ],
    ids=lambda content: repr(content)[:30],
)
async def test_every_message_verifies_with_both_keys(content):
    assert verdicts(await written(**content), BOTH) == [True, True]


@settings(deadline=None, max_examples=150)
@given(text=st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from(" \t\r\n."))), subject=st.text())
async def test_any_text_verifies(text, subject):
    assert verdicts(await written(subject, "", text), BOTH) == [True, True]


async def test_a_message_that_was_changed_or_given_another_header_does_not_verify():
    message = await written()
    for changed in (
        message.replace(b"\r\n\r\nHi", b"\r\n\r\nHo"),
        message.replace(b"Subject: Hi", b"Subject: Ho"),
        b"From: Somebody <x@evil.example>\r\n" + message,
        b"Subject: Act now\r\n" + message,
        b"Reply-To: x@evil.example\r\n" + message,
        b"To: everybody@example.net\r\n" + message,
    ):
        assert verdicts(changed, BOTH) == [False, False]
    assert verdicts(b"Received: from somewhere\r\n" + message, BOTH) == [True, True]


async def test_the_signature_names_the_headers_that_receivers_act_on():
    head = (await written(html="<p>Hi</p>")).partition(b"\r\nDate:")[0].decode()
    [named, _] = [
        part.partition("; bh=")[0] for part in "".join(head.split()).replace(";bh=", "; bh=").split(";h=")[1:]
    ]
    names = named.split(";")[0].split(":")
    assert {name: names.count(name) for name in names} == {
        "From": 2,
        "To": 2,
        "Cc": 1,
        "Subject": 2,
        "Date": 2,
        "Message-ID": 2,
        "Reply-To": 1,
        "MIME-Version": 1,
        "Content-Type": 1,
        "Auto-Submitted": 1,
    }


async def test_an_applications_domain_signs_for_its_mails_and_ours_for_a_domain_without_a_key():
    keys = DkimKeys.parse(f"example.org:r1:{inline(rsa())},shop.example:s9:{inline(rsa(number=2))}")
    domains = []
    for address in ("orders@shop.example", "orders@elsewhere.example"):
        context = DeliveryContext(IDENTITY, "c", 5, sender=Sender(from_email=address, reply_to="help@shop.example"))
        message = await written(context=context, keys=keys)
        assert verdicts(message, keys) == [True]
        domains.append(message.partition(b"d=")[2].partition(b";")[0])
    assert domains == [b"shop.example", b"example.org"]


async def test_a_long_key_signs_too_and_without_a_key_nothing_does():
    keys = DkimKeys.parse(f"example.org:r1:{inline(rsa(3072))}")
    made = writer(keys)
    message = await made.write(RenderedEmail("Hi", "", "Hi"), "Ada", ADA, CONTEXT)
    made.close()
    assert verdicts(message, keys) == [True]
    assert b"DKIM" not in await written(keys=DkimKeys())


async def test_no_line_is_longer_than_a_line_may_be():
    message = await written(subject="word " * 200, html="<p>" + "x" * 5_000 + "</p>", name=RTL * 10)
    assert max(map(len, message.split(b"\r\n"))) <= 998

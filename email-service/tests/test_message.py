"""What was put in comes out of Python's own parser, and nothing else does: no header is ever added."""

import email
from dataclasses import replace
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.security import Sender
from contracts.addresses import InvalidAddress, parse_mailbox
from contracts.unsubscribing import Unsubscription
from delivery.channel import DeliveryContext
from email_service.mime import BOUNDARY, MessageBuilder
from templating import RenderedEmail, TemplateSource, compile_template

IDENTITY = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
CONTEXT = DeliveryContext(IDENTITY, "correlation-1", 5)
ADA = parse_mailbox("ada@example.com")
HEADERS = [
    "Date",
    "From",
    "To",
    "Subject",
    "Message-ID",
    "X-Notification-ID",
    "X-Correlation-ID",
    "MIME-Version",
    "Auto-Submitted",
    "Content-Type",
]
BUILDER = MessageBuilder(parse_mailbox("sender@example.org"), "The Sender", clock=lambda: 1_793_707_200)

anything = st.text(alphabet=st.one_of(st.characters(), st.sampled_from('\r\n\t\0\x85\u2028 .=?"\\<>,;:@-_')))
valid = st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from("\r\n\t\0\x85\u2028 .=?")))
visible = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)
lines = st.lists(visible, min_size=1, max_size=60).map(" ".join)
slow = settings(deadline=None)


def written(subject="Hi", html="<p>Hi</p>", text="Hi", name="Ada Lovelace", context=CONTEXT, mailbox=ADA) -> bytes:
    return BUILDER.write(RenderedEmail(subject, html, text), name, mailbox, context)


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=policy.SMTPUTF8)  # type: ignore[return-value]


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return unix(str(body.get_content()))


def test_only_a_mail_with_a_purpose_has_a_link_to_unsubscribe() -> None:
    wanted = Unsubscription(IDENTITY, "newsletter")
    long = "https://notify.example.com/" + "x" * 700
    builder = MessageBuilder(BUILDER.sender, "", unsubscribe_url=lambda one: f"{long}/{one.purpose}")
    mail = RenderedEmail("Hi", "", "Hi")
    context = replace(CONTEXT, unsubscribing=wanted, purpose="newsletter")
    raw = builder.write(mail, "Ada", ADA, context)
    message = parsed(raw)
    assert message["List-Unsubscribe"].strip() == f"<{long}/newsletter>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Precedence"] == "bulk"
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    nobody = replace(CONTEXT, purpose="newsletter")
    for one, about, precedence in ((builder, CONTEXT, None), (BUILDER, context, "bulk"), (builder, nobody, "bulk")):
        message = parsed(one.write(mail, "Ada", ADA, about))
        assert (message["List-Unsubscribe"], message["Precedence"]) == (None, precedence)


def shown_name(raw: bytes) -> str:
    """By RFC 2047's rules, through the older parser: the newer keeps the blank between two encoded words of a name."""
    return str(make_header(decode_header(parseaddr(email.message_from_bytes(raw)["To"])[0])))


def unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


@slow
@given(subject=lines, name=lines, html=valid.filter(bool), text=valid)
def test_subject_name_and_both_bodies_come_back_as_they_were(subject, name, html, text):
    raw = written(subject, html, text, name)
    message = parsed(raw)
    assert message["Subject"] == subject
    assert shown_name(raw) == name
    assert part(message, "html") == unix(html)
    assert part(message, "plain") == unix(text)


@slow
@given(subject=anything, name=anything, html=anything, text=anything, correlation=anything)
def test_no_input_adds_a_header_or_breaks_a_line(subject, name, html, text, correlation):
    raw = written(subject, html, text, name, DeliveryContext(IDENTITY, correlation, 5))
    message = parsed(raw)
    expected = HEADERS if html else [*HEADERS, "Content-Transfer-Encoding"]
    assert message.keys() == expected
    assert [mailbox.addr_spec for mailbox in message["To"].addresses] == ["ada@example.com"]
    assert not message.defects
    assert b"\0" not in raw
    rest = raw.replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.endswith(b"\r\n")
    head = raw.partition(b"\r\n\r\n")[0]
    assert all(line.strip() for line in head.split(b"\r\n"))
    assert len(list(message.walk())) == (3 if html else 1)


@pytest.mark.parametrize(
    "attack", ["x\r\nBcc: v@e.f", "x\nBcc: v@e.f", "x\rBcc: v@e.f", "x\0\r\n\r\nbody", "x\u2028Bcc: v@e.f"]
)
def test_a_line_end_in_a_variable_or_a_name_adds_no_header(attack):
    template = compile_template(TemplateSource(subject="Hello {{ name }}", html="<p>{{ name }}</p>"))
    content = template.render_email({"name": attack})
    message = parsed(BUILDER.write(content, attack, ADA, DeliveryContext(IDENTITY, attack, 5)))
    assert message.keys() == HEADERS
    assert message["Bcc"] is None
    assert message["Subject"].startswith("Hello x")
    assert [mailbox.addr_spec for mailbox in message["To"].addresses] == ["ada@example.com"]


@pytest.mark.parametrize(
    "name", ["Ada <v@e.f>", '"Ada" <v@e.f>,', "v@e.f,", "=?utf-8?B?djxAZQ==?=", "a, b", "back\\slash", "(x)"]
)
def test_a_name_never_becomes_an_address(name):
    [mailbox] = parsed(written(name=name))["To"].addresses
    assert (mailbox.display_name, mailbox.addr_spec) == (name, "ada@example.com")


def test_a_subject_that_looks_encoded_is_shown_as_it_is():
    assert parsed(written(subject="=?utf-8?B?SGk=?="))["Subject"] == "=?utf-8?B?SGk=?="


@slow
@given(st.integers(0, 400), st.sampled_from(["word ", "ü", "日本 ", "🙂", "x" * 60 + " "]))
def test_header_lines_are_as_short_as_the_standard_asks(count, piece):
    head = written(subject=piece * count, name=(piece * count)[:200]).partition(b"\r\n\r\n")[0]
    longest = max(len(line) for line in head.split(b"\r\n") if not line.startswith(b"Content-Type"))
    assert longest <= 78


def test_an_ordinary_message_can_be_read_without_decoding():
    raw = written(text="Hello Ada", html="<p>Hello Ada</p>")
    assert b"To: Ada Lovelace <ada@example.com>\r\nSubject: Hi\r\n" in raw
    assert b"X-Correlation-ID: correlation-1\r\n" in raw
    assert b"Hello Ada\r\n" in raw


def test_a_correlation_id_stays_in_one_piece_however_long():
    correlation = "s" * 128
    assert f"X-Correlation-ID: {correlation}\r\n".encode() in written(context=DeliveryContext(IDENTITY, correlation, 5))


def test_the_ids_and_the_sender_are_the_notifications_and_ours():
    message = parsed(written())
    assert message["Message-ID"] == f"<{IDENTITY}@example.org>"
    assert BUILDER.message_id(CONTEXT) == message["Message-ID"]
    assert message["X-Notification-ID"] == str(IDENTITY)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "The Sender <sender@example.org>"
    assert message["Date"] == "Tue, 03 Nov 2026 12:00:00 -0000"


ORDERS = Sender("Orders, Ltd.", "orders@bücher.example", "help@example.net")


def test_an_applications_sender_is_shown_and_the_rest_is_as_ever():
    raw = written(context=replace(CONTEXT, sender=ORDERS))
    message = parsed(raw)
    assert message.keys() == [*HEADERS[:2], "Reply-To", *HEADERS[2:]]
    assert message["From"] == '"Orders, Ltd." <orders@xn--bcher-kva.example>'
    assert message["Reply-To"] == "help@example.net"
    assert message["Message-ID"] == f"<{IDENTITY}@example.org>"
    own = (
        b'From: "Orders, Ltd." <orders@xn--bcher-kva.example>\r\nReply-To: <help@example.net>\r\n',
        b"From: The Sender <sender@example.org>\r\n",
    )
    assert raw.replace(*own) == written()


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        (Sender(from_name="Orders"), "Orders <sender@example.org>"),
        (Sender(from_email="orders@example.com"), "The Sender <orders@example.com>"),
        (Sender(reply_to="help@example.net"), "The Sender <sender@example.org>"),
        (Sender(from_name=""), "sender@example.org"),
    ],
)
def test_fields_that_an_applications_sender_leaves_open_are_ours(sender, shown):
    message = parsed(written(context=replace(CONTEXT, sender=sender)))
    assert (message["From"], message["Reply-To"]) == (shown, sender.reply_to)


@slow
@given(name=anything)
def test_no_name_of_an_application_adds_a_header_or_an_address(name):
    message = parsed(written(context=replace(CONTEXT, sender=Sender(name, "orders@example.com", "help@example.net"))))
    assert message.keys() == [*HEADERS[:2], "Reply-To", *HEADERS[2:]]
    assert [mailbox.addr_spec for mailbox in message["From"].addresses] == ["orders@example.com"]


@pytest.mark.parametrize("address", ["a@b.example\r\nBcc: v@e.example", "a@b.example, v@e.example", ""])
def test_a_sender_that_is_not_one_address_is_refused(address):
    for sender in (Sender(from_email=address), Sender(reply_to=address)):
        with pytest.raises(InvalidAddress):
            written(context=replace(CONTEXT, sender=sender))


def test_two_attempts_differ_in_nothing_but_the_date():
    assert written() == written()


def test_the_date_moves_with_the_clock():
    seconds = iter([0, 0, 1])
    builder = MessageBuilder(ADA, "", clock=lambda: next(seconds))
    dates = [parsed(builder.write(RenderedEmail("s", "", "t"), "", ADA, CONTEXT))["Date"] for _ in range(3)]
    assert [date.datetime.second for date in dates] == [0, 0, 1]


def test_a_template_without_html_makes_a_message_of_one_part():
    message = parsed(written(html="", text="Grüße"))
    assert message.get_content_type() == "text/plain"
    assert message.get_content() == "Grüße"


def test_a_body_that_knows_the_boundary_ends_no_part():
    spoof = f"--{BOUNDARY.decode()}--\r\n\r\n--{BOUNDARY.decode()}\r\nContent-Type: text/html\r\n\r\n<b>not ours</b>"
    message = parsed(written(text=spoof, html="<i>ours</i>"))
    assert part(message, "html") == "<i>ours</i>"
    assert part(message, "plain") == unix(spoof)


@pytest.mark.parametrize("character", ["x", "ü"])
def test_no_line_is_longer_than_a_server_must_take(character):
    long = character * 5_000
    raw = written(subject=long, text=long, html=f"<p>{long}</p>", name=long, context=DeliveryContext(IDENTITY, long, 5))
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = parsed(raw)
    assert (message["Subject"], part(message, "plain"), part(message, "html")) == (long, long, f"<p>{long}</p>")


def test_an_address_beyond_ascii_is_written_as_utf8():
    mailbox = parse_mailbox("jürgen@bücher.example")
    raw = written(mailbox=mailbox, name="Jürgen")
    assert "To: =?utf-8?B?SsO8cmdlbg==?= <jürgen@xn--bcher-kva.example>\r\n".encode() in raw


def test_a_nameless_recipient_is_an_address_alone():
    assert b"\r\nTo: <ada@example.com>\r\n" in written(name="")

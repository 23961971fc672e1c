"""Exactly one address, or none: the same rule for storing and for sending."""

from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import getaddresses

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.addresses import (
    MAX_ADDRESS,
    Email,
    InvalidAddress,
    address_key,
    fingerprint,
    masked,
    parse_mailbox,
    parse_sender,
    trimmed,
)

FIELD = TypeAdapter(Email)

LONGEST = "a" * 64 + "@" + "b" * 63 + "." + "c" * 63 + "." + "d" * 57 + ".com"  # 254 octets
TAKEN = [
    # as given, as stored, as sent
    ("ada@example.com", "ada@example.com", "ada@example.com"),
    (" ada@example.com ", "ada@example.com", "ada@example.com"),
    ("\u00a0ada@example.com\t", "ada@example.com", "ada@example.com"),
    ("\ufeffada@example.com", "ada@example.com", "ada@example.com"),
    ("Ada@EXAMPLE.Com", "Ada@example.com", "Ada@example.com"),
    ("ada.lovelace+news@mail.example.com", "ada.lovelace+news@mail.example.com", "ada.lovelace+news@mail.example.com"),
    ("o'brien@example.com", "o'brien@example.com", "o'brien@example.com"),
    ("!#$%&'*+/=?^_`{|}~-@example.com", "!#$%&'*+/=?^_`{|}~-@example.com", "!#$%&'*+/=?^_`{|}~-@example.com"),
    ("a@b.c", "a@b.c", "a@b.c"),
    ("a@b--c.example.com", "a@b--c.example.com", "a@b--c.example.com"),
    ("ada@example.test", "ada@example.test", "ada@example.test"),
    ("ada@bücher.example", "ada@bücher.example", "ada@xn--bcher-kva.example"),
    ("ada@xn--bcher-kva.example", "ada@bücher.example", "ada@xn--bcher-kva.example"),
    # not fass.example, which is somebody else's
    ("ada@faß.example", "ada@faß.example", "ada@xn--fa-hia.example"),
    ("ada@ＥＸＡＭＰＬＥ.com", "ada@example.com", "ada@example.com"),
    ("ada@example。com", "ada@example.com", "ada@example.com"),
    ("jürgen@example.com", "jürgen@example.com", "jürgen@example.com"),
    ("cafe\u0301@example.com", "caf\u00e9@example.com", "caf\u00e9@example.com"),
    ("用户@例子.example", "用户@例子.example", "用户@xn--fsqu00a.example"),
    ("a" * 64 + "@example.com", "a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    (f"  {LONGEST} ", LONGEST, LONGEST),
    ("a@" + "b" * 63 + ".example", "a@" + "b" * 63 + ".example", "a@" + "b" * 63 + ".example"),
]
REFUSED = [
    "",
    " ",
    "ada",
    "@example.com",
    "ada@",
    "ada@localhost",
    "ada@example",
    "ada@example.local",
    "ada@example.invalid",
    "ada@1.2.3.4",
    "ada@[127.0.0.1]",
    "ada@[IPv6:::1]",
    "a@b.cc, v@e.fr",
    "a@b.cc,v@e.fr",
    "a@b.cc;v@e.fr",
    "a@b.cc v@e.fr",
    "a@b@c.de",
    "Ada <a@b.cc>",
    "<a@b.cc>",
    "mailto:a@b.cc",
    '"a b"@c.de',
    '"ab"@c.de',
    "a b@c.de",
    "a@b.cc\r\nRCPT TO:<v@e.fr>",
    "a@b.cc\r\n",
    "a@b.cc\n",
    "\ra@b.cc",
    "a\0@b.cc",
    "a@b\0.cc",
    "\0a@b.cc",
    "a@-b.cc",
    "a@b-.cc",
    "a@b..cc",
    "a@.bb",
    "a@b.cc.",
    ".a@b.cc",
    "a.@b.cc",
    "a..b@c.de",
    "a@b_c.de",
    "a(comment)@b.cc",
    "a@b.cc(comment)",
    "a@xn--zz.de",
    "a@" + "b" * 64 + ".cc",
    "a" * 65 + "@b.cc",
    "ü" * 33 + "@b.cc",  # 66 octets
    "a@" + ".".join(["b" * 60] * 5) + ".cc",
    "a" * 64 + "@" + ".".join(["b" * 62] * 3) + ".cc",  # 256 octets
    "a\u2028b@c.de",
    "a\u200bb@c.de",
    "a\u200db@c.de",
    "a\u202eb@c.de",
    "a\ud800@b.cc",
    "a@\ud800.cc",
    "a@ex℀mple.com",
    "=?utf-8?q?v=40e.f=2C?=@b.cc",  # read as v@e.f and more
    "a=?utf-8?B?Yg==?=c@b.cc",
]


@pytest.mark.parametrize(("text", "stored", "sent"), TAKEN)
def test_an_address_is_stored_and_sent_in_one_form(text, stored, sent):
    mailbox = parse_mailbox(text)
    assert (mailbox.shown, mailbox.spec, mailbox.needs_utf8) == (stored, sent, not sent.isascii())
    assert FIELD.validate_python(text) == stored
    assert parse_mailbox(stored) == mailbox
    assert address_key(text) == address_key(stored) == address_key(sent)


@pytest.mark.parametrize("text", REFUSED)
def test_anything_but_one_address_is_refused(text):
    with pytest.raises(InvalidAddress) as refused:
        parse_mailbox(text)
    with pytest.raises(ValidationError):
        FIELD.validate_python(text)
    assert len(text) < 4 or text.strip() not in str(refused.value)


local_parts = st.one_of(
    st.text(st.sampled_from("abzAZ09._+-'!=%&/*"), min_size=1, max_size=70),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["postmaster", "INFO", "Support", "a" * 64, "a" * 65]),
)
domains = st.one_of(
    st.text(st.sampled_from("abzAZ09.-"), min_size=1, max_size=80),
    st.lists(st.from_regex(r"\A[a-zA-Z0-9-]{1,12}\Z"), min_size=1, max_size=5).map(".".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["example.com", "EXAMPLE.ORG", "bücher.example", "x.test", "a.local", "a.b.c", "xn--bcher-kva.de"]),
)


@settings(max_examples=500)
@given(local_parts, domains)
def test_the_short_way_and_the_whole_rule_say_the_same(local, domain):
    text = f"{local}@{domain}"
    try:
        mailbox = parse_mailbox(text)
    except InvalidAddress:
        mailbox = None
    try:
        valid = validate_email(trimmed(text), check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        assert mailbox is None
        return
    if mailbox is None:  # only for its length in octets
        assert len(text.encode()) > 64
    else:
        assert (mailbox.shown, mailbox.domain) == (valid.normalized, (valid.ascii_domain or valid.domain).lower())


@settings(max_examples=300)
@given(local_parts, domains)
@example("jürgen", "bücher.example")
def test_a_stored_address_can_be_sent_to(local, domain):
    try:
        stored = FIELD.validate_python(f"{local}@{domain}")
    except ValidationError:
        return
    mailbox = parse_mailbox(stored)
    assert mailbox.shown == stored
    assert mailbox.domain.isascii()
    assert mailbox.spec.isprintable()
    assert not set(mailbox.spec) & set(' <>(),;:"\\\r\n\0')
    assert mailbox.spec.count("@") == 1
    assert len(mailbox.spec.encode()) <= MAX_ADDRESS
    message = EmailMessage(policy=SMTPUTF8)
    message["To"] = mailbox.spec
    assert [one.addr_spec for one in message["To"].addresses] == [mailbox.spec]


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("root@localhost", "root@localhost"),
        ("Mail@Corp.LOCAL", "Mail@corp.local"),
        (" noreply@example.com ", "noreply@example.com"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
    ],
)
def test_a_sender_may_be_on_a_private_host(text, spec):
    assert parse_sender(text).spec == spec


@pytest.mark.parametrize(
    "text", ["", "root", "@localhost", "a b@localhost", "a@lo calhost", "a@b\r\n", "a@[::1]", "a@b_c"]
)
def test_a_sender_is_one_address_too(text):
    with pytest.raises(InvalidAddress):
        parse_sender(text)


def test_an_address_that_an_older_rule_accepted_still_has_its_key():
    assert address_key("A" * 65 + "@Example.com") == "a" * 65 + "@example.com"


PIECES = [
    "a", "b@c.de", "@", ".", ",", ";", "<", ">", '"', "\\", "(", ")", " ", "\t", "\r\n", "\n", "\0", "\u2028", "\x85",
    "é", "例", "xn--", "%", "?", "=?utf-8?q?a?=",
]  # fmt: skip
WITHIN = ["", *PIECES]
within = st.builds("{}a@b{}.cc{}".format, *[st.sampled_from(WITHIN)] * 3)


@settings(max_examples=1_000)
@given(within | st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
@example("a@b.cc\r\nRCPT TO:<v@e.f>")
def test_an_accepted_text_is_one_address_for_the_standard_library_too(text):
    try:
        spec = parse_mailbox(text).spec
    except InvalidAddress:
        return
    if spec.isascii():  # `Address` knows RFC 5322 only
        assert Address(addr_spec=spec).addr_spec == spec
    assert getaddresses([spec]) == [("", spec)]
    assert f"RCPT TO:<{spec}>".split() == ["RCPT", f"TO:<{spec}>"]
    assert spec.isprintable()
    message = EmailMessage(policy=SMTPUTF8)
    message["To"] = spec
    assert message_from_bytes(message.as_bytes(), policy=SMTPUTF8).keys() == ["To"]


def test_a_fingerprint_is_the_same_for_every_capitalisation_and_tells_nothing() -> None:
    assert fingerprint("Ada@Example.com ") == fingerprint("ada@example.com")
    assert fingerprint("ada@example.com") != fingerprint("eda@example.com")
    assert len(fingerprint("ada@example.com")) == 64


def test_a_masked_address_can_be_recognised_but_not_written_to() -> None:
    assert masked("ada@example.com") == "a***@example.com"

"""Exactly one address, or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_service.addresses import InvalidAddress, fingerprint, masked, parse_mailbox


@pytest.mark.parametrize(
    ("given_address", "spec", "needs_utf8"),
    [
        ("ada@example.com", "ada@example.com", False),
        (" ada@example.com ", "ada@example.com", False),
        ("ada.lovelace+news@mail.example.com", "ada.lovelace+news@mail.example.com", False),
        ("o'brien@example.com", "o'brien@example.com", False),
        ("root@localhost", "root@localhost", False),
        ("ada@bücher.example", "ada@xn--bcher-kva.example", False),
        ("ada@faß.example", "ada@xn--fa-hia.example", False),  # not fass.example, which is somebody else's
        ("ada@ＥＸＡＭＰＬＥ.com", "ada@example.com", False),
        ("jürgen@example.com", "jürgen@example.com", True),
        ("用户@例子.example", "用户@xn--fsqu00a.example", True),
    ],
)
def test_an_address_becomes_what_goes_on_the_wire(given_address, spec, needs_utf8):
    mailbox = parse_mailbox(given_address)
    assert (mailbox.spec, mailbox.needs_utf8) == (spec, needs_utf8)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "a@b.c, v@e.f",
        "a@b.c,v@e.f",
        "a@b.c;v@e.f",
        "a@b@c.d",
        "Ada <a@b.c>",
        "<a@b.c>",
        '"a b"@c.d',
        "a b@c.d",
        "a@b.c\r\nRCPT TO:<v@e.f>",
        "a@b.c\n",
        "\ra@b.c",
        "a\0@b.c",
        "a@b\0.c",
        "a@[127.0.0.1]",
        "a@-b.c",
        "a@b..c",
        "a@.b",
        ".a@b.c",
        "a.@b.c",
        "a..b@c.d",
        "a@b_c.d",
        "a(comment)@b.c",
        "a@" + "b" * 64 + ".c",
        "a" * 65 + "@b.c",
        "ü" * 33 + "@b.c",
        "a@" + ".".join(["b" * 60] * 5),
        "a\u2028b@c.d",
        "a\u200bb@c.d",
        "a\ud800@b.c",
        "a@\ud800.c",
        "a@ex℀mple.com",
    ],
)
def test_anything_but_one_address_is_refused(address):
    with pytest.raises(InvalidAddress):
        parse_mailbox(address)


@given(st.text(), st.text())
def test_an_address_is_refused_or_safe_in_a_command(local, domain):
    try:
        spec = parse_mailbox(f"{local}@{domain}").spec
    except InvalidAddress:
        return
    assert spec.isprintable()
    assert not set(spec) & set(' <>(),;:"\\\r\n\0')
    assert spec.count("@") == 1


def test_a_fingerprint_is_the_same_for_every_capitalisation_and_tells_nothing():
    assert fingerprint("Ada@Example.com ") == fingerprint("ada@example.com")
    assert fingerprint("ada@example.com") != fingerprint("eda@example.com")
    assert len(fingerprint("ada@example.com")) == 64


def test_a_masked_address_can_be_recognised_but_not_written_to():
    assert masked("ada@example.com") == "a***@example.com"

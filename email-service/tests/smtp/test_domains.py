"""Which refusals for now are the recipient's domain's, and which are this mail's, this person's or our provider's."""

import pytest

from email_service.senders.smtp.dialogue import Phase, Refused
from email_service.senders.smtp.domains import comes_from_domain, domain_of


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ada@example.com", "example.com"),
        (" Ada@Example.COM ", "example.com"),
        ("ada@xn--bcher-kva.example.com", "xn--bcher-kva.example.com"),
        ("ada@Bücher.example.com", "xn--bcher-kva.example.com"),
        ("ådа@example.com", "example.com"),
        ("ada@\u200b.example.com", None),
        ("ada@", None),
        ("", None),
    ],
)
def test_all_spellings_of_a_domain_are_one(address: str, domain: str | None) -> None:
    assert domain_of(address) == domain


@pytest.mark.parametrize(
    ("code", "text", "of_domain"),
    [
        (421, "4.7.0 Too many messages, try later", True),
        (450, "4.7.1 Rate limited", True),
        (451, "4.7.650 The mail server has been temporarily rate limited", True),
        (451, "4.3.2 System not accepting network messages", True),
        (421, "4.4.5 Server busy", True),
        (451, "4.4.1 No answer from host", True),
        (452, "4.5.3 Too many recipients this hour", True),
        (451, "Try again later", True),
        (421, "Too busy", True),
        # One person.
        (452, "4.2.2 Mailbox full", False),
        (452, "The mailbox is full", False),
        (450, "4.2.1 The user you are trying to contact is receiving mail too quickly", False),
        (450, "4.1.1 Address is not verified yet", False),
        (450, "4.1.1 <ada@example.com>: unverified address: host mx.example.com said: 450 4.2.1 closed", False),
        # One mail.
        (451, "4.7.1 Greylisted, come back in five minutes", False),
        (451, "4.6.0 Cannot be converted", False),
        # Our provider.
        (452, "4.3.1 Insufficient system storage", False),
        (451, "4.3.0 Lookup failed", False),
        (454, "Throttling failure: Maximum sending rate exceeded.", False),
        (451, "4.7.0 Maximum sending rate exceeded", False),
        (450, "4.7.0 Your plan allows no more", False),
        (432, "4.7.12 Later", False),
        (550, "5.7.28 Mail flood", False),
        # A relay says which domain it means.
        (450, "4.1.1 <ada@example.com>: unverified address: connect to mx.example.com timed out", True),
        (450, "4.1.1 <ada@example.com>: unverified address: connect to mx.example.net timed out", False),
        (451, "4.3.0 mx1.Example.com does not answer", True),
        (451, "4.3.0 delivery to example.com is delayed", True),
        (451, "4.3.0 delivery to example.company or notexample.com is delayed", False),
        (451, "4.3.0 <ada@example.com>: lookup failed", False),
    ],
)
def test_a_refusal_is_the_domains_by_its_code_and_its_words(code: int, text: str, of_domain: bool) -> None:
    for phase in (Phase.RCPT, Phase.DATA, Phase.DOT):
        assert comes_from_domain(Refused(phase, code, text), "ada@example.com") is of_domain
    assert not comes_from_domain(Refused(Phase.MAIL, code, text), "ada@example.com"), "it has not heard of the domain"

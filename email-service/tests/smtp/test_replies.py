"""Each row of the table, and what may not come out of it."""

import pytest

from delivery.outcomes import Permanent, ProviderDown, RetryLater
from email_service.senders.smtp_phases import Phase, Refused
from email_service.senders.smtp_replies import outcome_of, wording

MAIL, RCPT, DATA, DOT = Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT


def meaning(phase: Phase, reply: str) -> tuple[type, str]:
    outcome = outcome_of(Refused(phase, int(reply[:3]), reply[4:]))
    return type(outcome), outcome.code


@pytest.mark.parametrize(
    ("phases", "reply", "kind", "code"),
    [
        ([MAIL, RCPT, DATA, DOT], "530 5.7.0 Authentication required", ProviderDown, "smtp_login"),
        ([MAIL, RCPT], "535 5.7.8 Bad credentials", ProviderDown, "smtp_login"),
        ([MAIL, RCPT], "534 5.7.9 Too weak", ProviderDown, "smtp_login"),
        ([MAIL], "421 4.3.2 Closing", ProviderDown, "smtp_unavailable"),
        ([RCPT, DATA, DOT], "421 4.7.0 Slow down", RetryLater, "throttled"),
        ([MAIL, RCPT, DATA, DOT], "451 4.3.0 Later", RetryLater, "deferred"),
        ([RCPT], "450 4.2.0 Greylisted", RetryLater, "deferred"),
        ([RCPT, DOT], "452 4.2.2 Mailbox full", RetryLater, "deferred"),
        ([MAIL], "550 5.7.1 You may not send as this", ProviderDown, "sender_refused"),
        ([MAIL], "553 5.1.8 Sender's domain not found", ProviderDown, "sender_refused"),
        ([RCPT, DOT], "550 5.1.8 Sender address rejected", ProviderDown, "sender_refused"),
        ([RCPT, DOT], "553 5.1.7 Bad sender", ProviderDown, "sender_refused"),
        ([RCPT, DOT], "550 5.1.1 No such user", Permanent, "bounced"),
        ([RCPT, DOT], "554 5.1.1 No such user", Permanent, "bounced"),
        ([RCPT], "551 5.1.6 Moved", Permanent, "bounced"),
        ([RCPT], "553 5.1.3 Bad syntax", Permanent, "bounced"),
        ([RCPT], "556 5.1.10 Null MX", Permanent, "bounced"),
        ([RCPT], "550 5.2.1 Disabled", Permanent, "bounced"),
        ([RCPT], "550 No such user here", Permanent, "bounced"),
        ([RCPT], "550 5.1.0 Rejected", Permanent, "bounced"),
        ([RCPT, DOT], "550 5.2.2 Mailbox full", RetryLater, "mailbox_full"),
        ([RCPT], "552 Too many recipients", RetryLater, "mailbox_full"),
        ([RCPT], "552 5.2.2 Over quota", RetryLater, "mailbox_full"),
        ([DOT], "552 5.2.2 Over quota", RetryLater, "mailbox_full"),
        ([DOT], "552 5.3.4 Too big", Permanent, "too_large"),
        ([DOT], "523 too big", Permanent, "too_large"),
        ([DOT], "554 5.2.3 Too big for the mailbox", Permanent, "too_large"),
        ([RCPT], "550 5.7.1 Relaying denied", Permanent, "rejected"),
        ([RCPT], "554 5.7.1 Relay access denied", Permanent, "rejected"),
        ([RCPT], "550 5.4.1 Recipient address rejected: Access denied", Permanent, "rejected"),
        ([RCPT, DATA, DOT], "554 Transaction failed", Permanent, "rejected"),
        ([DOT], "550 5.7.1 Spam", Permanent, "rejected"),
        ([RCPT], "501 5.5.4 Syntax", Permanent, "rejected"),
        ([RCPT], "553 5.6.7 No SMTPUTF8", Permanent, "address_not_supported"),
        ([RCPT, DATA], "503 5.5.1 Bad sequence", RetryLater, "smtp_sequence"),
    ],
)
def test_every_refusal_has_its_meaning(phases, reply, kind, code):
    assert [meaning(phase, reply) for phase in phases] == [(kind, code)] * len(phases)


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.7.1 Relaying denied",
        "550 relaying denied",
        "554 5.7.1 Client host blocked",
        "550 5.1.0 Sender rejected",
        "550 5.1.10x",
        "552 5.2.2 Full",
        "550 5.4.4 Unable to route",
    ],
)
def test_an_address_is_given_up_only_when_the_server_says_that_it_is_dead(reply):
    outcome = outcome_of(Refused(RCPT, int(reply[:3]), reply[4:]))
    assert not getattr(outcome, "dead_recipient", False)


@pytest.mark.parametrize(
    "reply", ["550 5.1.1 x", "550 5.1.2 x", "553 5.1.3 x", "551 5.1.6 x", "556 5.1.10 x", "550 5.2.1 x"]
)
def test_a_hard_bounce_gives_the_address_up(reply):
    outcome = outcome_of(Refused(RCPT, int(reply[:3]), reply[4:]))
    assert isinstance(outcome, Permanent)
    assert outcome.dead_recipient


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("550 <ada@example.com>: unknown", "550 <<address>>: unknown"),
        ("550 to=ada+x@mail.example.com, gone", "550 to=<address>, gone"),
        ("550 two\nlines\r\nand\0more", "550 two lines and more"),
        ("x" * 1000, "x" * 200),
        ("jürgen@bücher.example said \ud800", "<address> said ?"),
    ],
)
def test_what_is_kept_of_a_servers_words_names_nobody_and_can_be_stored(said, kept):
    assert wording(said) == kept

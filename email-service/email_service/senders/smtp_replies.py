"""What a mail server's refusals mean: one table. The first rule that fits decides.

Sources: RFC 5321, 4.2 (codes), RFC 3463 and the IANA registry of enhanced status codes (X.Y.Z), RFC 4954, 6 (530, 535,
454 are about our login), RFC 6531, 3.7.4 (X.6.7), RFC 7505 (5.1.10).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from delivery.outcomes import Outcome, Permanent, ProviderDown, RetryLater
from email_service.headers import one_line
from email_service.senders.smtp_phases import Phase, Refused

LONGEST_DETAIL = 200
_ADDRESS = re.compile(r"[^\s<>\"'(),;:=]+@[^\s<>\"'(),;:]+")

Meaning = Callable[[str], Outcome]


@dataclass(frozen=True, slots=True)
class Rule:
    phases: frozenset[Phase]
    reply: re.Pattern[str]  # of "550 5.1.1 no such user"
    meaning: Meaning


def _later(code: str) -> Meaning:
    return lambda detail: RetryLater(code, detail)


def _never(code: str) -> Meaning:
    return lambda detail: Permanent(code, detail)


def _dead(code: str) -> Meaning:
    return lambda detail: Permanent(code, detail, dead_recipient=True)


def _down(code: str) -> Meaning:
    return lambda detail: ProviderDown(code, detail)


MAIL = frozenset({Phase.MAIL})
RCPT = frozenset({Phase.RCPT})
LATER = frozenset({Phase.RCPT, Phase.DATA, Phase.DOT})
ANY = frozenset(Phase)

RULES: tuple[Rule, ...] = tuple(
    Rule(phases, re.compile(reply), meaning)
    for phases, reply, meaning in (
        # Our account, not the recipient: every message would meet it.
        (ANY, r"53[0458]", _down("smtp_login")),
        (MAIL, r"421", _down("smtp_unavailable")),
        (MAIL, r"4", _later("deferred")),
        (MAIL, r"5", _down("sender_refused")),  # FROM_EMAIL is all that MAIL says
        # 5.1.7 and 5.1.8 are about the sender's address; Postfix says them at RCPT (smtpd_delay_reject).
        (LATER, r"5\d\d 5\.1\.[78]\b", _down("sender_refused")),
        (LATER, r"421", _later("throttled")),
        # A full mailbox gets emptied. 552 at RCPT may also mean "too many recipients": there is only one.
        (LATER, r"5\d\d 5\.2\.2\b", _later("mailbox_full")),
        (RCPT, r"552", _later("mailbox_full")),
        (LATER, r"4", _later("deferred")),
        (LATER, r"503", _later("smtp_sequence")),  # we disagree on where we are, which a new transaction mends
        (LATER, r"5\d\d 5\.6\.7\b", _never("address_not_supported")),
        # No such mailbox (1), host (2), syntax (3), moved (6), null MX (10); disabled (2.1).
        (LATER, r"5\d\d 5\.(1\.(1|2|3|6|10)|2\.1)\b", _dead("bounced")),
        # Without an enhanced code "550" may as well be "relaying denied": our fault, and no reason to give up an address.
        (RCPT, r"55[013](?! 5\.[2-7]\.)", _never("bounced")),
        (LATER, r"5(52|23|\d\d 5\.(2|3)\.(3|4))\b", _never("too_large")),
        (LATER, r"5", _never("rejected")),
    )
)


def outcome_of(refusal: Refused) -> Outcome:
    detail = wording(f"{refusal.code} {refusal.text}")
    for rule in RULES:
        if refusal.phase in rule.phases and rule.reply.match(detail):
            return rule.meaning(detail)
    return RetryLater("smtp_protocol", detail)


def wording(text: str) -> str:
    """The server's words as they may be kept: one line of valid Unicode, short, without addresses."""
    readable = one_line(text.encode("utf-8", "replace").decode())  # the reply's odd bytes come as lone surrogates
    return _ADDRESS.sub("<address>", readable)[:LONGEST_DETAIL]

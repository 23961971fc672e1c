"""The recipient's domain: its name, and which refusals come from it."""

import re
from dataclasses import dataclass

from contracts.addresses import InvalidAddress, parse_mailbox
from email_service.senders.smtp.dialogue import Phase, Refused
from email_service.senders.smtp.replies import FULL, enhanced_code, wording


def domain_of(address: str) -> str | None:
    """The same for all spellings: in lower case, and in its IDNA form. None: the address cannot be sent to."""
    domain = address.strip().rpartition("@")[2]
    if domain.isascii():  # nearly all; the address itself is checked before it is sent to
        return domain.lower() or None
    try:
        return parse_mailbox(address).domain
    except InvalidAddress:
        return None


@dataclass(frozen=True, slots=True)
class _Rule:
    """`codes` are matched with "451 4.7.1" or, without an enhanced code, "451 -"; `words` are searched for in the text."""

    codes: re.Pattern[str]
    words: re.Pattern[str] | None
    of_domain: bool


# The first rule that fits decides. A relay repeats what the domain's server said, or speaks for itself. What it says before
# it knows the recipient (greeting, login, MAIL) is about itself, and so is 454 (no TLS or login; at Amazon SES our rate).
# Enhanced codes as in RFC 3463: X.1 and X.2 are about one address or mailbox (4.2.2: it is full; Gmail's 4.2.1: this person
# gets too much mail), X.6 about one message, 4.3.1 and 4.3.5 about the server that answers.
_CODES = frozenset({421, 450, 451, 452})
_UNREACHABLE = re.compile(r"connect(ion|ing)?( to)?|timed out|unreachable|no (route|answer)", re.IGNORECASE)
_RULES = tuple(
    _Rule(re.compile(codes), re.compile(words, re.IGNORECASE) if words else None, of_domain)
    for codes, words, of_domain in (
        (r"\d+ [45]\.[126]\.", "", False),
        (r"", FULL, False),
        (r"", r"gr[ea]y-?list", False),  # each pair of sender and recipient has to wait once, however little is sent
        (r"", r"sending rate|\byour (plan|account|subscription)\b", False),
        (r"\d+ [45]\.(7\.\d+|3\.2|4\.\d+|5\.3)$", "", True),
        (r"\d+ -$", "", True),
    )
)


def comes_from_domain(refusal: Refused, recipient: str) -> bool:
    """Whether a refusal for now concerns all mail to the recipient's domain, and not this mail or our provider alone."""
    if refusal.phase is Phase.MAIL or refusal.code not in _CODES:
        return False
    words = wording(refusal.text)  # without addresses: they name the domain anyway
    named = _names(words, recipient.rpartition("@")[2])
    if named and _UNREACHABLE.search(words):
        return True
    codes = f"{refusal.code} {enhanced_code(refusal.text) or '-'}"
    for rule in _RULES:
        if rule.codes.match(codes) and (rule.words is None or rule.words.search(words)):
            return rule.of_domain
    return named


def _names(words: str, domain: str) -> bool:
    """Whether the text names the domain, or a host in it."""
    return re.search(rf"(?<![\w-]){re.escape(domain)}(?![\w-])", words, re.IGNORECASE) is not None

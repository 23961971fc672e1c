"""What a mail server's enhanced status code says, and what kind of refusal it is.

The codes: RFC 3463 and IANA's registry of SMTP Enhanced Status Codes, which adds RFC 6710 (X.7.16), RFC 7293 (X.7.17, 18),
RFC 7372 (X.7.20 to 26) and RFC 7505 (X.1.10, X.7.27). Which of them say that an address is dead is the e-mail service's
rule (`bounces/recording.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["dead", "full", "size", "policy", "sender", "later", "unclear"]
CODE = re.compile(r"(?:^|^\d{3}[ -]|\(#)([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
WORDS: Mapping[str, str] = {
    "1.1": "there is no such mailbox",
    "1.2": "the address's domain does not exist, or takes no mail",
    "1.3": "the address is not well-formed",
    "1.4": "the address fits several mailboxes",
    "1.6": "the mailbox has moved, and nobody knows where to",
    "1.7": "our sender's address is not well-formed",
    "1.8": "our sender's domain does not exist, or takes no mail",
    "1.10": "the address's domain takes no mail",
    "2.1": "the mailbox is disabled",
    "2.2": "the recipient's mailbox is full",
    "2.3": "the mail is larger than the mailbox allows",
    "2.4": "the mailing list behind the address does not work",
    "3.1": "the recipient's mail server has no room left",
    "3.2": "the recipient's mail server takes no mail for now",
    "3.3": "the recipient's mail server lacks something that this mail needs",
    "3.4": "the mail is larger than the recipient's mail server allows",
    "3.5": "the recipient's mail server is not set up rightly",
    "4.1": "the recipient's mail server did not answer",
    "4.2": "the connection to the recipient's mail server broke",
    "4.4": "no mail server was found for the address",
    "4.5": "the recipient's mail server is overloaded",
    "4.6": "mail servers forward the mail in a loop",
    "4.7": "the recipient's mail server could not be reached for too long",
    "5.3": "it had too many recipients",
    "6.7": "the address has characters that the mail server does not take",
    "7.1": "the recipient's mail server does not accept it: a rule of its own, or it looked like spam",
    "7.2": "not everybody may send to the mailing list",
    "7.8": "our login at the mail server was refused",
    "7.16": "the mail is too large for its priority",
    "7.17": "the mailbox belongs to somebody else now",
    "7.18": "the domain belongs to somebody else now",
    "7.20": "it has no DKIM signature that counts",
    "7.21": "its DKIM signature is not one that is accepted",
    "7.22": "its DKIM signature is of another domain than the sender's",
    "7.23": "SPF does not allow our server to send for the domain",
    "7.24": "SPF could not be checked",
    "7.25": "our server's address has no matching name (reverse DNS)",
    "7.26": "SPF and DKIM both failed",
    "7.27": "our sender's domain takes no mail",
}
OF_SUBJECT: Mapping[str, str] = {
    "1": "something is wrong with the address",
    "2": "something is wrong with the recipient's mailbox",
    "3": "the recipient's mail server has a problem",
    "4": "the recipient's mail server could not be reached",
    "5": "the mail servers did not understand each other",
    "6": "the recipient's mail server does not take such content",
    "7": "it was refused for a security rule, or as spam",
}
DEAD = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.1", "4.4", "7.17", "7.18"})
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(DEAD, "dead"),
    "2.2": "full",
    "2.3": "size", "3.4": "size", "7.16": "size",
    "1.7": "sender", "1.8": "sender", "7.27": "sender",
}  # fmt: skip
KIND_OF_SUBJECT: Mapping[str, Kind] = {"3": "later", "4": "later", "7": "policy"}


@dataclass(frozen=True, slots=True)
class MailCode:
    """`words` end a sentence: “the mail came back: …”. `kind` decides what to do."""

    code: str
    words: str
    kind: Kind


def mail_code(said: str | None) -> MailCode | None:
    """The enhanced status code in what a mail server answered; None if there is none, or it says that all is well."""
    found = CODE.search(said or "")
    if found is None or found[1] == "2":
        return None
    severity, subject, detail = found.groups()
    name = f"{subject}.{detail}"
    return MailCode(f"{severity}.{name}", _words(subject, name), _kind(severity, subject, name))


def explained(said: str | None) -> str:
    """`5.2.2: the recipient's mailbox is full.`; empty without a code."""
    code = mail_code(said)
    return f"{code.code}: {code.words}." if code else ""


def _words(subject: str, name: str) -> str:
    return WORDS.get(name) or OF_SUBJECT.get(subject, "no exact reason is given")


def _kind(severity: str, subject: str, name: str) -> Kind:
    kind = KINDS.get(name) or KIND_OF_SUBJECT.get(subject, "unclear")
    return "later" if severity == "4" and kind in {"dead", "unclear", "policy"} else kind

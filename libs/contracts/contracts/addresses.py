"""E-mail addresses: one rule for all services. Every stored address can be sent to, and nothing else is sent to.

An address is one addr-spec, `local@domain`: no name, list, comment, quoted local part, address literal or encoded word. The
local part has at most 64 octets and may contain non-ASCII characters (sending then needs SMTPUTF8). The domain has a dot
and is no special-use name (`.local`, `.invalid`, …; `.test` is allowed for trials); it is compared and sent in its IDNA
2008 form. The whole address has at most 254 octets. Surrounding whitespace is removed.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES
from pydantic import AfterValidator, BeforeValidator, Field

MAX_LOCAL_PART = 64  # octets; RFC 5321, 4.5.3.1.1
MAX_ADDRESS = 254  # octets; RFC 5321, 4.5.3.1.3, less the angle brackets
_QUOTE = re.compile(r"\s*:.*$", re.DOTALL)
_BLANKS = " \t\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"

# Matches nearly every address in 2 µs; the full rule takes 30. A property test compares the two.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"  # without --, which only the IDNA rules can interpret
_COMMON = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>(?:{_LABEL}\.)+(?P<top>[A-Za-z]+))")
_SPECIAL_TOPS = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})
# RFC 2047 does not allow encoded words in addresses, but some readers decode them, to another address.
_ENCODED_WORD = re.compile(r"=\?[^?]+\?[^?]+\?[^?]*\?=")
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_MAX_LABEL = 63


class InvalidAddress(ValueError):
    """Not exactly one address that mail can be sent to. The error never contains the address."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One addr-spec. `domain` is its ASCII form for the wire, `shown_domain` the readable form."""

    local: str
    domain: str
    shown_domain: str

    @property
    def spec(self) -> str:
        """The form for the wire."""
        return f"{self.local}@{self.domain}"

    @property
    def shown(self) -> str:
        """The owner's spelling, which is stored."""
        return f"{self.local}@{self.shown_domain}"

    @property
    def needs_utf8(self) -> bool:
        """Whether the local part has non-ASCII characters (RFC 6531)."""
        return not self.local.isascii()

    @property
    def key(self) -> str:
        """Equal for addresses that differ only in case, or in the spelling of an internationalised domain."""
        return f"{self.local.casefold()}@{self.domain}"


def parse_mailbox(text: str) -> Mailbox:
    """The only address that a notification can be sent to. Raises InvalidAddress for anything else."""
    address = trimmed(text)
    if "=?" in address and _ENCODED_WORD.search(address):
        raise InvalidAddress("The email address holds an encoded word.")
    return _common(address) or _parsed(address)


def parse_sender(text: str) -> Mailbox:
    """Like `parse_mailbox`, but also accepts hosts outside the public internet: `root@localhost`, `mail@corp.local`."""
    local, _, host = trimmed(text).rpartition("@")
    if _HOST.fullmatch(host) is None:
        return parse_mailbox(text)
    return Mailbox(parse_mailbox(f"{local}@example.com").local, host.lower(), host.lower())


def stored_spelling(text: str) -> str | None:
    """The address as users and notifications have it: reports write an internationalised domain in its ASCII form. None: no
    notification can be sent to it.
    """
    try:
        return parse_mailbox(text).shown
    except InvalidAddress:
        return None


def address_key(text: str) -> str:
    """The same value for all spellings of one mailbox. Also works for addresses that an older rule accepted."""
    try:
        return parse_mailbox(text).key
    except InvalidAddress:
        return trimmed(text).casefold()


def fingerprint(address: str) -> str:
    """Identifies an address without revealing it: 64 hexadecimal digits, the same for every capitalisation."""
    return sha256(address.strip(" ").lower().encode("utf-8", "replace")).hexdigest()


def masked(address: str) -> str:
    """The form of an address that a person may see: `a***@example.com`."""
    local, _, domain = address.strip(" ").rpartition("@")
    return f"{local[:1]}***@{domain}"


def trimmed(text: str) -> str:
    """Without the surrounding whitespace of copied text. Line ends are not removed."""
    return text.strip(_BLANKS)


def _common(address: str) -> Mailbox | None:
    """None: the full rule has to decide."""
    found = _COMMON.fullmatch(address)
    if found is None:
        return None
    local, domain = found["local"], found["domain"].lower()
    if len(local) > MAX_LOCAL_PART or len(address) > MAX_ADDRESS or found["top"].lower() in _SPECIAL_TOPS:
        return None
    if max(map(len, domain.split("."))) > _MAX_LABEL or local.lower() in CASE_INSENSITIVE_MAILBOX_NAMES:
        return None
    return Mailbox(local, domain, domain)


def _parsed(address: str) -> Mailbox:
    try:
        valid = validate_email(address, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError as error:  # its messages end with the characters that it rejects
        raise InvalidAddress(_QUOTE.sub(".", str(error))) from None
    mailbox = Mailbox(valid.local_part, (valid.ascii_domain or valid.domain).lower(), valid.domain)
    if len(mailbox.local.encode()) > MAX_LOCAL_PART or max(map(_octets, (mailbox.spec, mailbox.shown))) > MAX_ADDRESS:
        raise InvalidAddress("The email address is longer than an address may be.")
    return mailbox


def _octets(text: str) -> int:
    return len(text.encode())


Email = Annotated[
    str,
    BeforeValidator(lambda value: trimmed(value) if isinstance(value, str) else value),
    Field(min_length=3, max_length=MAX_ADDRESS, json_schema_extra={"format": "email"}),
    AfterValidator(lambda text: parse_mailbox(text).shown),
]
"""A field that takes exactly one address, and gives it as it is stored."""

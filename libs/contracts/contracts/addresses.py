"""E-mail addresses: one rule for all services. What is stored can be sent, and nothing else is.

An address is one addr-spec: `local@domain`, no name, no list, no comment, no quoted local part, no address literal, no
encoded word. The local part has at most 64 octets and may be other than ASCII (sending it needs SMTPUTF8); the domain
has a dot, is no special-use name (`.local`, `.invalid`, …; `.test` is for trying out) and is compared and sent as IDNA
2008 writes it; the whole has at most 254 octets. Blanks around it are not part of it.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES
from pydantic import AfterValidator, BeforeValidator, Field

MAX_LOCAL_PART = 64  # octets; RFC 5321, 4.5.3.1.1
MAX_ADDRESS = 254  # octets; RFC 5321, 4.5.3.1.3, less the angle brackets
_QUOTE = re.compile(r"\s*:.*$", re.DOTALL)
_BLANKS = " \t\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"

# What nearly every address is: 2 µs, where the whole rule costs 30. A property test keeps both equal.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"  # without --, which only IDNA may say what it means
_COMMON = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>(?:{_LABEL}\.)+(?P<top>[A-Za-z]+))")
_SPECIAL_TOPS = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})
# RFC 2047 has none in an address, and readers of headers decode it all the same: to another address.
_ENCODED_WORD = re.compile(r"=\?[^?]+\?[^?]+\?[^?]*\?=")
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_MAX_LABEL = 63


class InvalidAddress(ValueError):
    """Not exactly one address that mail can be sent to. Never holds the address."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One addr-spec. `domain` is as it goes on the wire, in ASCII; `shown_domain` as people read it."""

    local: str
    domain: str
    shown_domain: str

    @property
    def spec(self) -> str:
        """As it goes on the wire."""
        return f"{self.local}@{self.domain}"

    @property
    def shown(self) -> str:
        """As its owner writes it: what is stored."""
        return f"{self.local}@{self.shown_domain}"

    @property
    def needs_utf8(self) -> bool:
        """Whether the local part does not fit into ASCII (RFC 6531)."""
        return not self.local.isascii()

    @property
    def key(self) -> str:
        """Equal for addresses that differ in case only, or in how an internationalised domain is written."""
        return f"{self.local.casefold()}@{self.domain}"


def parse_mailbox(text: str) -> Mailbox:
    """The one address that a notification can go to. Raises InvalidAddress for anything else."""
    address = trimmed(text)
    if "=?" in address and _ENCODED_WORD.search(address):
        raise InvalidAddress("The email address holds an encoded word.")
    return _common(address) or _parsed(address)


def parse_sender(text: str) -> Mailbox:
    """As `parse_mailbox`, but its host need not be one of the public internet's: `root@localhost`, `mail@corp.local`."""
    local, _, host = trimmed(text).rpartition("@")
    if _HOST.fullmatch(host) is None:
        return parse_mailbox(text)
    return Mailbox(parse_mailbox(f"{local}@example.com").local, host.lower(), host.lower())


def address_key(text: str) -> str:
    """Equal for the same mailbox however it is written. Also of an address that an older rule let be stored."""
    try:
        return parse_mailbox(text).key
    except InvalidAddress:
        return trimmed(text).casefold()


def trimmed(text: str) -> str:
    """Without the blanks around it that come with copying and pasting. Line ends are none of them."""
    return text.strip(_BLANKS)


def _common(address: str) -> Mailbox | None:
    """None leaves it to the whole rule."""
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
    except EmailNotValidError as error:  # its messages end in the characters that it objects to
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

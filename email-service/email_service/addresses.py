"""Addresses: exactly one addr-spec, as it goes on the wire; and what may be kept of one where it must not be readable."""

import hashlib
import re
from dataclasses import dataclass

import idna

# RFC 5321, 4.5.3.1: in octets.
LONGEST_LOCAL_PART = 64
LONGEST_ADDRESS = 254
# RFC 5322's dot-atom, and beyond ASCII what RFC 6531 adds. Quoted local parts are not taken: nobody has one, and every
# parser reads them in its own way.
_LOCAL_PART = re.compile(r"[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+(?:\.[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+)*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


class InvalidAddress(ValueError):
    """Not exactly one address that mail can be sent to. Never holds the address."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One addr-spec, its domain in ASCII. `needs_utf8`: the local part does not fit into ASCII (RFC 6531)."""

    spec: str
    needs_utf8: bool

    @property
    def domain(self) -> str:
        return self.spec.rpartition("@")[2]


def parse_mailbox(address: str) -> Mailbox:
    """Raises InvalidAddress for anything but `local@domain`: no name, no list, no comment, no line end."""
    local, separator, domain = address.strip(" ").rpartition("@")
    if not separator or _LOCAL_PART.fullmatch(local) is None or not local.isprintable():
        raise InvalidAddress("not one address")
    mailbox = Mailbox(f"{local}@{_ascii_domain(domain)}", needs_utf8=not local.isascii())
    if len(local.encode()) > LONGEST_LOCAL_PART or len(mailbox.spec.encode()) > LONGEST_ADDRESS:
        raise InvalidAddress("longer than an address may be")
    return mailbox


def _ascii_domain(domain: str) -> str:
    """IDNA 2008, as the user service checked it: Python's own codec (2003) sends `faß.de` to the owner of `fass.de`."""
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True, std3_rules=True).decode()
        except UnicodeError:
            raise InvalidAddress("not a domain") from None
    if _DOMAIN.fullmatch(domain) is None:
        raise InvalidAddress("not a domain")
    return domain


def fingerprint(address: str) -> str:
    """Names an address without giving it away: 64 hexadecimal digits, the same for every capitalisation."""
    return hashlib.sha256(address.strip(" ").lower().encode("utf-8", "replace")).hexdigest()


def masked(address: str) -> str:
    """What a person may be shown of it: `a***@example.com`."""
    local, _, domain = address.strip(" ").rpartition("@")
    return f"{local[:1]}***@{domain}"

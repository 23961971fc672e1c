"""`python -m email_service dns [--check]`: the DNS records that belong to the settings, and whether they are published."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer, NoResolverConfiguration, Resolver

from chassis.settings import load_settings
from contracts.addresses import parse_sender
from email_service.settings import EmailSettings

STRING = 255  # octets; a longer TXT record is several strings, which receivers join (RFC 7208, 3.3; RFC 6376, 3.6.2.2)
SECONDS = 5.0
Ask = Callable[[str, str], Sequence[str]]


class NoResolver(Exception):
    """The DNS does not answer."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record to publish. `accepts` decides whether a published value serves the same purpose."""

    name: str
    kind: str
    value: str
    note: str
    accepts: Callable[[str], bool]

    @property
    def line(self) -> str:
        """As a zone file has it."""
        value = _strings(self.value) if self.kind == "TXT" else self.value
        return f"{self.name}. IN {self.kind} {value}"


def records(settings: EmailSettings) -> Iterator[Record]:
    """What the settings need in the DNS."""
    sender = parse_sender(settings.from_email).domain
    keys = settings.signing_keys.all
    for key in keys:
        yield Record(key.record_name, "TXT", key.record, f"DKIM, {key.algorithm}", _same_key(key.record))
    envelope = settings.bounce_domain or sender
    yield Record(
        envelope,
        "TXT",
        "v=spf1 include:YOUR-MAIL-PROVIDER -all",
        "SPF: name the servers that SMTP_HOST sends from, as its operator documents them",
        _begins("v=spf1 "),
    )
    for domain in dict.fromkeys((sender, *(key.domain for key in keys))):
        policy = f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"
        note = "DMARC: begin with p=none, read the reports, then quarantine or reject"
        yield Record(f"_dmarc.{domain}", "TXT", policy, note, _begins("v=DMARC1"))
    if settings.bounce_domain:
        note = "the server that passes bounces on to BOUNCE_SMTP_PORT, or that port itself on 25"
        yield Record(settings.bounce_domain, "MX", "10 YOUR-MAIL-SERVER.", note, lambda _: True)


def check_record(record: Record, ask: Ask) -> str:
    """`ok`, or what is wrong. Raises NoResolver."""
    found = ask(record.name, record.kind)
    if record.kind == "TXT" and "v=spf1" in record.value:
        found = [value for value in found if value.startswith("v=spf1")]
        if len(found) > 1:
            return "wrong: a domain has one SPF record, and this one has several"
    if not found:
        return "missing"
    return "ok" if any(map(record.accepts, found)) else "wrong: another value is published"


def resolver(server: tuple[str, int] | None) -> Ask:
    """Asks the DNS server of this machine, or the one at this address and port. Raises NoResolverConfiguration."""
    asked = Resolver(configure=server is None)
    if server is not None:
        asked.nameservers, asked.port = [server[0]], server[1]

    def ask(name: str, kind: str) -> Sequence[str]:
        try:
            answer = asked.resolve(name, kind, lifetime=SECONDS, search=False)
        except (NXDOMAIN, NoAnswer):
            return []
        except DNSException as error:
            raise NoResolver(type(error).__name__) from None
        if kind == "TXT":
            return [b"".join(value.strings).decode("utf-8", "replace") for value in answer]
        return [value.to_text() for value in answer]

    return ask


def _server(text: str) -> tuple[str, int]:
    """Of `address` or `address:port`. argparse says what is neither."""
    parts = urlsplit(f"//{text}")
    return str(ip_address(parts.hostname or "")), parts.port or 53


def main(arguments: Sequence[str]) -> int:
    """Prints the records, and with --check what the DNS has. Returns the exit status: 1 if a record is missing or wrong."""
    parser = argparse.ArgumentParser("python -m email_service dns", description=__doc__)
    parser.add_argument("--check", action="store_true", help="ask the DNS whether they are published")
    parser.add_argument(
        "--server", type=_server, help="the DNS server to ask, address or address:port (default: this machine's)"
    )
    given = parser.parse_args(arguments)
    settings = load_settings(EmailSettings)
    try:
        ask = resolver(given.server) if given.check else None
    except NoResolverConfiguration:
        sys.stderr.write("This machine names no DNS server (/etc/resolv.conf): give one with --server\n")
        return 1
    states = [_shown(record, ask) for record in records(settings)]
    return 0 if all(state in ("", "ok") for state in states) else 1


def _shown(record: Record, ask: Ask | None) -> str:
    state = "" if ask is None else _state(record, ask)
    sys.stdout.write(f"; {record.note}{f' [{state}]' if state else ''}\n{record.line}\n")
    return state


def _state(record: Record, ask: Ask) -> str:
    try:
        return check_record(record, ask)
    except NoResolver as error:
        return f"unknown: the DNS does not answer ({error})"


def _strings(value: str) -> str:
    return " ".join(f'"{value[start : start + STRING]}"' for start in range(0, len(value), STRING))


def _begins(start: str) -> Callable[[str], bool]:
    return lambda value: value.startswith(start)


def _same_key(record: str) -> Callable[[str], bool]:
    return lambda value: _tag(value, "p") == _tag(record, "p")


def _tag(record: str, name: str) -> str:
    tags = dict(tag.strip().partition("=")[::2] for tag in record.split(";"))
    return "".join(tags.get(name, "").split())

"""`python -m email_service dns [--check]`: the DNS records that belong to the settings, and whether they are published."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer, NoResolverConfiguration

from chassis.settings import load_settings
from contracts.addresses import parse_sender
from email_service.settings import EmailSettings

STRING = 255  # octets; a longer TXT record is several strings, which receivers join (RFC 7208, 3.3; RFC 6376, 3.6.2.2)
SECONDS = 5.0
Ask = Callable[[str, str], Awaitable[Sequence[str]]]
Purpose = Literal["dkim", "spf", "dmarc", "mx"]


class NoResolver(Exception):
    """The DNS does not answer."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record to publish for `domain`. `accepts` decides whether a published value serves the same purpose."""

    purpose: Purpose
    domain: str
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
    """What the settings need in the DNS: for the domain of FROM_EMAIL, SENDER_DOMAINS, and the domains of keys."""
    sender = parse_sender(settings.from_email).domain
    keys = settings.signing_keys.all
    for key in keys:
        note = f"DKIM, {key.algorithm}"
        yield Record("dkim", key.domain, key.record_name, "TXT", key.record, note, _same_key(key.record))
    envelope = settings.bounce_domain or sender
    yield Record(
        "spf",
        envelope,
        envelope,
        "TXT",
        "v=spf1 include:YOUR-MAIL-PROVIDER -all",
        "SPF: name the servers that SMTP_HOST sends from, as its operator documents them",
        _begins("v=spf1 "),
    )
    for domain in dict.fromkeys((sender, *settings.sender_domains, *(key.domain for key in keys))):
        policy = f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"
        note = "DMARC: begin with p=none, read the reports, then quarantine or reject"
        yield Record("dmarc", domain, f"_dmarc.{domain}", "TXT", policy, note, _begins("v=DMARC1"))
    if settings.bounce_domain:
        note = "the server that passes bounces on to BOUNCE_SMTP_PORT, or that port itself on 25"
        yield Record("mx", envelope, envelope, "MX", "10 YOUR-MAIL-SERVER.", note, lambda _: True)


async def check_record(record: Record, ask: Ask) -> str:
    """`ok`, or what is wrong. Raises NoResolver."""
    found = await _published(record, ask)
    if record.purpose == "spf" and len(found) > 1:
        return "wrong: a domain has one SPF record, and this one has several"
    if not found:
        return "missing"
    return "ok" if any(map(record.accepts, found)) else "wrong: another value is published"


async def _published(record: Record, ask: Ask) -> Sequence[str]:
    """What could be the record. A domain without a DMARC policy has that of a domain above it (RFC 7489, 6.6.3)."""
    found = await ask(record.name, record.kind)
    if record.purpose == "spf":
        return [value for value in found if value.startswith("v=spf1")]
    labels = record.domain.split(".")
    for above in range(1, len(labels) - 1) if record.purpose == "dmarc" else ():
        if any(map(record.accepts, found)):
            break
        found = await ask(f"_dmarc.{'.'.join(labels[above:])}", record.kind) or found
    return found


def resolver(server: tuple[str, int] | None = None) -> Ask:
    """Asks the DNS server of this machine, or the one at this address and port."""

    async def ask(name: str, kind: str) -> Sequence[str]:
        try:
            answer = await _client(server).resolve(name, kind, lifetime=SECONDS, search=False)
        except (NXDOMAIN, NoAnswer):
            return []
        except (DNSException, OSError) as error:
            raise NoResolver(type(error).__name__) from None
        if kind == "TXT":
            return [b"".join(value.strings).decode("utf-8", "replace") for value in answer]
        return [value.to_text() for value in answer]

    return ask


def _server(text: str) -> tuple[str, int]:
    """Of `address` or `address:port`. argparse says what is neither."""
    parts = urlsplit(f"//{text}")
    return str(ip_address(parts.hostname or "")), parts.port or 53


def _client(server: tuple[str, int] | None) -> Resolver:
    client = Resolver(configure=server is None)
    if server is not None:
        client.nameservers, client.port = [server[0]], server[1]
    return client


def main(arguments: Sequence[str]) -> int:
    """Prints the records, and with --check what the DNS has. Returns the exit status: 1 if a record is missing or wrong."""
    parser = argparse.ArgumentParser("python -m email_service dns", description=__doc__)
    parser.add_argument("--check", action="store_true", help="ask the DNS whether they are published")
    parser.add_argument(
        "--server", type=_server, help="the DNS server to ask, address or address:port (default: this machine's)"
    )
    given = parser.parse_args(arguments)
    settings = load_settings(EmailSettings)
    if not given.check:
        return asyncio.run(_print(records(settings), None))
    try:
        _client(given.server)
    except NoResolverConfiguration:
        sys.stderr.write("This machine names no DNS server (/etc/resolv.conf): give one with --server\n")
        return 1
    return asyncio.run(_print(records(settings), resolver(given.server)))


async def _print(wanted: Iterator[Record], ask: Ask | None) -> int:
    states = []
    for record in wanted:
        states.append("" if ask is None else await _state(record, ask))
        sys.stdout.write(f"; {record.note}{f' [{states[-1]}]' if states[-1] else ''}\n{record.line}\n")
    return 0 if all(state in ("", "ok") for state in states) else 1


async def _state(record: Record, ask: Ask) -> str:
    try:
        return await check_record(record, ask)
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

"""The command that prints the DNS records, and asks a real DNS server whether they are published."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rrset
import pytest

from email_service import dns_records
from email_service.settings import EmailSettings
from testkit.dkim_keys import ed25519, inline, rsa


@dataclass
class Zone:
    """A DNS server on UDP. `entries` has "name kind" → values as in a zone file."""

    entries: dict[str, list[str]] = field(default_factory=dict)
    address: str = ""

    def answer(self, query: bytes) -> bytes:
        asked = dns.message.from_wire(query)
        question = asked.question[0]
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        kind = "TXT" if question.rdtype == 16 else "MX"
        if values := self.entries.get(f"{question.name.to_text().rstrip('.')} {kind}"):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
        return answer.to_wire()


@pytest.fixture
def zone() -> Iterator[Zone]:
    made = Zone()
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    made.address = f"127.0.0.1:{listener.getsockname()[1]}"

    def serve() -> None:
        while True:
            query, client = listener.recvfrom(4096)
            if not query:
                return
            listener.sendto(made.answer(query), client)

    thread = threading.Thread(target=serve)
    thread.start()
    yield made
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
        last.sendto(b"", listener.getsockname())
    thread.join()
    listener.close()


@pytest.fixture
def environment(monkeypatch) -> str:
    keys = f"example.org:s1:{inline(rsa())},example.org:e1:{inline(ed25519())},shop.example:s1:{inline(rsa(4096))}"
    monkeypatch.setenv("DKIM_KEYS", keys)
    monkeypatch.setenv("FROM_EMAIL", "noreply@example.org")
    monkeypatch.setenv("BOUNCE_DOMAIN", "bounces.example.org")
    return keys


def test_it_prints_every_record_and_long_ones_in_strings_that_fit(environment, capsys):
    assert dns_records.main([]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(";")]
    assert [line.split(" IN ")[0] for line in lines] == [
        "s1._domainkey.example.org.",
        "e1._domainkey.example.org.",
        "s1._domainkey.shop.example.",
        "bounces.example.org.",
        "_dmarc.example.org.",
        "_dmarc.shop.example.",
        "bounces.example.org.",
    ]
    strings = [part for line in lines for part in line.split('"')[1::2]]
    assert max(map(len, strings)) == 255
    assert not any("PRIVATE" in line or environment[40:80] in line for line in lines)


def test_the_check_says_what_is_published_what_is_missing_and_what_is_wrong(environment, zone, capsys):
    settings = EmailSettings(_env_file=None)
    for record in dns_records.records(settings):
        zone.entries.setdefault(f"{record.name} {record.kind}", []).append(record.line.partition(f" {record.kind} ")[2])
    assert dns_records.main(["--check", "--server", zone.address]) == 0
    assert capsys.readouterr().out.count("[ok]") == 7
    del zone.entries["_dmarc.shop.example TXT"]
    zone.entries["s1._domainkey.example.org TXT"] = ['"v=DKIM1; p=AAAA"']
    zone.entries["bounces.example.org TXT"].append('"v=spf1 -all"')
    assert dns_records.main(["--check", "--server", zone.address]) == 1
    printed = capsys.readouterr().out
    assert printed.count("[missing]") == 1
    assert printed.count("[wrong: another value is published]") == 1
    assert printed.count("and this one has several]") == 1


def test_a_dns_server_that_does_not_answer_is_unknown_and_not_missing(environment, capsys, monkeypatch):
    monkeypatch.setattr(dns_records, "SECONDS", 0.2)
    assert dns_records.main(["--check", "--server", "127.0.0.1:1"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("[unknown: the DNS does not answer") == 7

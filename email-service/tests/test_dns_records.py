"""The command that prints the DNS records, and asks a real DNS server whether they are published."""

import pytest

from email_service import dns_records
from email_service.settings import EmailSettings
from testkit.dkim_keys import ed25519, inline, rsa


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


def test_a_senders_domain_has_its_own_policy_or_that_of_a_domain_above_it(environment, zone, capsys, monkeypatch):
    monkeypatch.setenv("SENDER_DOMAINS", "news.example.net, other.example")
    zone.entries["_dmarc.example.net TXT"] = ['"v=DMARC1; p=reject"']
    zone.entries["_dmarc.example TXT"] = ['"v=DMARC1; p=reject"']
    assert dns_records.main(["--check", "--server", zone.address]) == 1
    lines = [line.split(" IN ")[0] for line in capsys.readouterr().out.replace("]\n", "] ").splitlines()]
    states = {line.split()[-1]: "[ok]" in line for line in lines if "DMARC" in line}
    assert states == {
        "_dmarc.example.org.": False,
        "_dmarc.news.example.net.": True,
        "_dmarc.other.example.": False,
        "_dmarc.shop.example.": False,
    }


def test_a_dns_server_that_does_not_answer_is_unknown_and_not_missing(environment, capsys, monkeypatch):
    monkeypatch.setattr(dns_records, "SECONDS", 0.2)
    assert dns_records.main(["--check", "--server", "127.0.0.1:1"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("[unknown: the DNS does not answer") == 7

"""What the DNS says of the domains that mails are from is a metric, asked of a real DNS server, and holds nothing up."""

import asyncio
from dataclasses import dataclass, field

import pytest
from dns.resolver import NoResolverConfiguration
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from chassis.process.periodic import PeriodicTask
from email_service import dns_records
from email_service.dns_records import records, resolver
from email_service.sender_domains import SenderDomainCheck, check_sender_domains
from email_service.settings import EmailSettings
from testkit.dkim_keys import ed25519, inline, rsa
from testkit.eventually import other_tasks

KEYS = SecretStr(f"example.org:s1:{inline(rsa())},example.org:e1:{inline(ed25519())}")


def settings(**others: object) -> EmailSettings:
    given = {"from_email": "noreply@example.org", "sender_domains": "shop.example", "dkim_keys": KEYS}
    return EmailSettings(_env_file=None, **given | others)


@dataclass
class Checked:
    """A check that asks the server at `address`."""

    address: str
    settings: EmailSettings = field(default_factory=settings)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.check = SenderDomainCheck(self.settings, self.registry, self._ask)

    async def _ask(self, name: str, kind: str) -> object:
        host, port = self.address.split(":")
        return await resolver((host, int(port)))(name, kind)

    def verified(self, domain: str, record: str) -> float | None:
        return self.registry.get_sample_value("sender_domain_verified", {"domain": domain, "record": record})


def publish(zone, wanted: EmailSettings) -> None:
    for record in records(wanted):
        zone.entries.setdefault(f"{record.name} {record.kind}", []).append(record.line.partition(f" {record.kind} ")[2])


async def test_each_domain_and_record_has_its_value_and_a_change_is_seen(zone):
    checked = Checked(zone.address)
    assert checked.verified("example.org", "spf") is None
    await checked.check.run_once()
    expected = {("example.org", "dkim"), ("example.org", "spf"), ("example.org", "dmarc"), ("shop.example", "dmarc")}
    assert {one: checked.verified(*one) for one in expected} == dict.fromkeys(expected, 0.0)
    publish(zone, checked.settings)
    await checked.check.run_once()
    assert {one: checked.verified(*one) for one in expected} == dict.fromkeys(expected, 1.0)
    del zone.entries["e1._domainkey.example.org TXT"]
    await checked.check.run_once()
    assert checked.verified("example.org", "dkim") == 0.0, "one of its two keys is missing"


async def test_a_dns_server_that_is_gone_changes_no_value(zone, monkeypatch):
    monkeypatch.setattr(dns_records, "SECONDS", 0.2)
    checked = Checked(zone.address)
    publish(zone, checked.settings)
    await checked.check.run_once()
    checked.address = "127.0.0.1:1"
    await checked.check.run_once()
    assert checked.verified("example.org", "spf") == 1.0


async def test_a_silent_dns_server_holds_no_other_task_up_and_a_stop_waits_for_none(zone):
    zone.silent = True
    checked = Checked(zone.address)
    asking = asyncio.create_task(checked.check.run_once())
    await other_tasks()
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asking, 1)


async def test_a_machine_without_a_resolver_is_an_unknown_state(monkeypatch):
    def refuse(**_: object) -> None:
        raise NoResolverConfiguration

    monkeypatch.setattr(dns_records, "Resolver", refuse)
    registry = CollectorRegistry()
    await SenderDomainCheck(settings(), registry, resolver()).run_once()
    assert registry.get_sample_value("sender_domain_verified", {"domain": "example.org", "record": "spf"}) is None


@dataclass
class Runtime:
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    tasks: list[PeriodicTask] = field(default_factory=list)

    def repeat(self, *tasks: PeriodicTask) -> None:
        self.tasks.extend(tasks)


def test_it_is_off_until_it_is_given_a_time():
    runtime = Runtime()
    check_sender_domains(settings(), runtime)
    assert runtime.tasks == []
    runtime = Runtime()
    check_sender_domains(settings(sender_domain_check_seconds=60), runtime)
    assert [(task.name, task.every_seconds) for task in runtime.tasks] == [("sender_domains", 60)]

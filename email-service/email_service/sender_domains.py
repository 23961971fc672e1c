"""Whether the DNS proves the domains that mails are sent from, as a metric. It only observes: sending never waits for it."""

import structlog
from prometheus_client import CollectorRegistry, Gauge

from chassis.process.periodic import PeriodicTask
from delivery.runtime import WorkerRuntime
from email_service.dns_records import Ask, NoResolver, Purpose, Record, check_record, records, resolver
from email_service.settings import EmailSettings

log = structlog.get_logger()


class SenderDomainCheck:
    """`ask` asks the DNS."""

    def __init__(self, settings: EmailSettings, registry: CollectorRegistry, ask: Ask) -> None:
        self._records = list(records(settings))
        self._ask = ask
        self._verified = Gauge(
            "sender_domain_verified",
            "Whether the DNS has a record that mails from this domain need: 1 or 0; nothing before the first answer",
            ["domain", "record"],
            registry=registry,
        )

    async def run_once(self) -> int:
        """What the DNS gives no answer for keeps its last value."""
        states: dict[tuple[str, Purpose], list[bool | None]] = {}
        for record in self._records:
            states.setdefault((record.domain, record.purpose), []).append(await self._is_published(record))
        for (domain, purpose), found in states.items():
            if None not in found:
                self._verified.labels(domain, purpose).set(all(found))
        return 0

    async def _is_published(self, record: Record) -> bool | None:
        try:
            found = await check_record(record, self._ask)
        except NoResolver as error:
            log.warning("sender_domain.not_checked", record=record.purpose, error=str(error))
            return None
        if found != "ok":
            log.warning("sender_domain.not_verified", record=record.purpose, found=found)
        return found == "ok"


def check_sender_domains(settings: EmailSettings, runtime: WorkerRuntime) -> None:
    """Adds the metric, and the task that checks them if there is one."""
    check = SenderDomainCheck(settings, runtime.registry, resolver())
    if settings.sender_domain_check_seconds:
        runtime.repeat(PeriodicTask("sender_domains", check.run_once, settings.sender_domain_check_seconds))

"""The conservation check that ends every case: nothing lost, nothing twice, nothing unaccounted for."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bench import queues
from bench.lab import Lab
from contracts.topology import queues_of
from testkit.eventually import wait_until

ON_THE_WAY = "SELECT EXISTS (SELECT 1 FROM notifications WHERE status IN ('pending', 'queued'))"
PENDING = "SELECT EXISTS (SELECT 1 FROM notifications WHERE status = 'pending')"
NOT_SENT = "SELECT count(*) FROM notifications WHERE status <> 'sent'"


@dataclass(frozen=True, slots=True)
class Balance:
    """`lost`: accepted and not where it should be. `duplicated`: copies beyond the first."""

    lost: int
    duplicated: int

    def __add__(self, other: "Balance") -> "Balance":
        return Balance(self.lost + other.lost, self.duplicated + other.duplicated)


def balance(accepted: Iterable[str], arrived: Iterable[str]) -> Balance:
    """Of what was answered with 202 against what the provider took; what nobody asked for counts as a copy."""
    wanted, copies = set(accepted), Counter(arrived)
    twice = sum(number - 1 for key, number in copies.items() if key in wanted)
    unasked = sum(number for key, number in copies.items() if key not in wanted)
    return Balance(sum(key not in copies for key in wanted), twice + unasked)


def sent_once(lab: Lab, ids: Iterable[str], channel: str = "email") -> Balance:
    """When all should have been: each id once with the provider, each row `sent`."""
    counted = balance(ids, (key for key, _ in lab.providers.for_channel(channel).arrivals()))
    return counted + Balance(max(0, lab.gateway.value(NOT_SENT) - counted.lost), 0) + unaccounted(lab)


def queued(lab: Lab, answered: int, channel: str = "email") -> Balance:
    """When no worker ran: every row once in its queue, and a row for every 202."""
    rows, ready = accepted_and_ready(lab, channel)
    return Balance(max(0, answered - rows) + max(0, rows - ready), max(0, ready - rows)) + unaccounted(lab)


def accepted_and_ready(lab: Lab, channel: str = "email") -> tuple[int, int]:
    """Rows, and messages in the queues of the channel."""
    ready = sum(queues.depth(lab.rabbit.url, queue) for queue in queues_of(channel))
    return int(lab.gateway.value("SELECT count(*) FROM notifications")), ready


def unaccounted(lab: Lab) -> Balance:
    return Balance(abs(int(lab.reconcile()["unaccounted"])), 0)


def until_ready(lab: Lab, seconds: float = 300) -> None:
    """The queues hold a message of every row. For cases without workers; the rows are marked a moment later (ADR 20)."""

    def all_ready() -> bool:
        rows, ready = accepted_and_ready(lab)
        return ready >= rows

    wait_until(all_ready, seconds, "a message of every row")


def until_published(lab: Lab, seconds: float = 300) -> None:
    """No row is `pending` any more."""
    wait_until(lambda: not lab.gateway.value(PENDING), seconds, "an empty outbox")


def until_sent(lab: Lab, number: int, channel: str = "email", seconds: float = 600) -> None:
    """The provider has `number` and no row is on its way. The sink is asked first: that costs PostgreSQL nothing."""
    sink = lab.providers.for_channel(channel)
    wait_until(lambda: sink.count() >= number, seconds, f"{number} with the provider")
    wait_until(lambda: not lab.gateway.value(ON_THE_WAY), seconds, "the last status")

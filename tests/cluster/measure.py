"""Load while a fault lasts, and what came of it: a row of the table."""

import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from testkit.eventually import pause
from tests.chaos.load import Clients
from tests.cluster import containers
from tests.cluster.providers import Providers
from tests.compose.api import GATEWAY, Api
from tests.compose.project import until

BEFORE_SECONDS, AFTER_SECONDS = 5.0, 10.0
EVERY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """`taken`: notifications that a provider has taken. `duplicated`: copies that no ledger had recorded as possible.
    `explained`: notifications with more than one copy, none of them `duplicated`. Pauses in seconds.
    """

    fault: str
    accepted: int
    taken: int
    duplicated: int
    explained: int
    lost: int
    longest_pause_accepting: float
    longest_pause_delivering: float

    @property
    def good(self) -> bool:
        return not (self.lost or self.duplicated)

    def __str__(self) -> str:
        return (
            f"{self.fault:<44} {self.accepted:>8} {self.taken:>8} {self.duplicated:>10} {self.explained:>9} {self.lost:>4} "
            f"{self.longest_pause_accepting:>9.1f} {self.longest_pause_delivering:>10.1f}"
        )


HEAD = (
    f"{'fault':<44} {'accepted':>8} {'taken':>8} {'duplicated':>10} {'explained':>9} {'lost':>4} {'accepting':>9} "
    f"{'delivering':>10}"
)


@dataclass(frozen=True, slots=True)
class Load:
    """What a measurement needs: who posts, how much, to whom, and who counts."""

    api: Api
    token: str
    users: Sequence[str]
    rate: float
    providers: Providers


def measured(load: Load, fault: str, happens: Callable[[], None]) -> Row:
    """Posts before, while and after `happens`; then waits until nothing is on its way."""
    clients = Clients([GATEWAY], load.token, load.users, rate=load.rate)
    load.providers.taken()  # of what was before
    accepting = _Watch(lambda: len(clients.accepted))
    clients.start()
    accepting.start()
    pause(BEFORE_SECONDS)
    happens()
    pause(AFTER_SECONDS)
    longest = accepting.end()
    clients.end()
    until(lambda: _all_ended(load.api), f"{fault}: everything ended")
    report = load.api.reconcile()
    if report["unaccounted"] or clients.refused:
        raise SystemExit(f"{fault}: {report['unaccounted']} unaccounted, refused: {clients.refused[:5]}")
    taken = load.providers.taken()
    copies, possible = Counter(name for _, name in taken), containers.ambiguous()
    return Row(
        fault,
        accepted=len(clients.accepted),
        taken=sum(name in copies for name in clients.accepted),
        duplicated=sum(max(0, copies[name] - 1 - possible.get(name, 0)) for name in clients.accepted),
        explained=sum(1 < copies[name] <= 1 + possible.get(name, 0) for name in clients.accepted),
        lost=sum(name not in copies for name in clients.accepted),
        longest_pause_accepting=longest,
        longest_pause_delivering=longest_gap(at for at, _ in taken),
    )


def longest_gap(times: Iterable[datetime]) -> float:
    """In seconds, between one and the next."""
    ordered = sorted(times)
    gaps = (later - earlier for earlier, later in pairwise(ordered))
    return max((gap.total_seconds() for gap in gaps), default=0.0)


def _all_ended(api: Api) -> bool:
    try:
        return api.unfinished() == 0
    except urllib.error.URLError:  # the gateway may find a new primary only now
        return False


class _Watch(threading.Thread):
    """The longest time in which a count did not grow."""

    def __init__(self, count: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self._count = count
        self._ended = threading.Event()
        self._longest = 0.0

    def run(self) -> None:
        seen, since = self._count(), time.monotonic()
        while not self._ended.wait(EVERY_SECONDS):
            now = time.monotonic()
            self._longest = max(self._longest, now - since)
            if (count := self._count()) != seen:
                seen, since = count, now

    def end(self) -> float:
        self._ended.set()
        self.join()
        return self._longest

"""Claims that nobody has in hand, and workers that stood still or seemed to (faults 29 to 31, 34, 35 and 43)."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from typing import Self

import asyncpg
import httpx2
import pytest

from testkit.eventually import pause, remains, time_passes
from tests.faults.lab import QUICK, WHOLE, Lab, letter, steadily

SILENCE_SECONDS = float(QUICK["SILENCE_SECONDS"])
LOAD_SECONDS = 30.0 if WHOLE else 8.0
FROZEN_SECONDS = 20.0 if WHOLE else 3 * SILENCE_SECONDS
EVERY = "SELECT pid FROM pg_stat_activity WHERE datname = 'email_service' AND backend_type = 'client backend'"


@pytest.fixture
def three_workers(lab: Lab) -> Lab:
    for number in (2, 3):
        lab.system.start_service("email-service", name=f"email-service-{number}")
        lab.system.wait_ready(f"email-service-{number}")
    return lab


@pytest.fixture
def two_workers(lab: Lab) -> Lab:
    lab.system.start_service("email-service", name="email-service-2")
    lab.system.wait_ready("email-service-2")
    return lab


class Sending(threading.Thread):
    """Batches of five, some sixty a second, until the block ends; one that is not accepted is sent again."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(daemon=True)
        self._lab, self._user = lab, lab.user()
        self._ended = threading.Event()
        self.accepted: list[str] = []
        self.refusals: list[httpx2.Response] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(60)
        assert not self.is_alive()

    def run(self) -> None:
        url = f"{self._lab.system.gateway}/api/v1/notifications/batch"
        with httpx2.Client(headers=dict(self._lab.system.http.headers), timeout=20, trust_env=False) as http:
            while not self._ended.is_set():
                batch = {"notifications": [letter(self._user) for _ in range(5)]}
                while (answer := http.post(url, json=batch)).status_code != 202:
                    self.refusals.append(answer)
                    pause(0.1)
                self.accepted += [one["data"]["notification_id"] for one in answer.json()["data"]["results"]]
                self._ended.wait(0.08)


def test_29_backends_of_a_workers_database_die_at_random(three_workers: Lab) -> None:
    lab, dice = three_workers, random.Random(29)
    with Sending(lab) as sending:

        def shoot() -> None:
            pids = [row["pid"] for row in lab.run(lab.postgres.url, EVERY)]
            if pids:
                lab.run(lab.postgres.url, "SELECT pg_terminate_backend($1)", dice.choice(pids))

        steadily(shoot, LOAD_SECONDS, every=0.1)
    lab.until_ended(sending.accepted)
    lab.prove(29, "a worker's backends die at random", sending.accepted, ambiguous=lab.ambiguous(sending.accepted))


def test_29_a_workers_database_has_no_connection_left(three_workers: Lab) -> None:
    lab = three_workers
    with Sending(lab) as sending, connections_used_up(lab):
        pause(LOAD_SECONDS)
    lab.until_ended(sending.accepted)
    lab.prove(29, "max_connections used up", sending.accepted, ambiguous=lab.ambiguous(sending.accepted))


class connections_used_up(threading.Thread):  # noqa: N801 - a context manager
    """Takes every connection that the server has left, and each that becomes free, until the block ends."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(daemon=True)
        self._lab, self._ended = lab, threading.Event()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(30)

    def run(self) -> None:
        asyncio.run(self._hold())

    async def _hold(self) -> None:
        url, held = self._lab.postgres.url.replace("+asyncpg", ""), []
        hung_up = False
        try:
            while not self._ended.is_set():
                try:
                    held.append(await asyncpg.connect(url, timeout=5))
                except (asyncpg.TooManyConnectionsError, OSError):
                    if not hung_up:  # the worker has to ask for new ones
                        await held[0].execute("SELECT pg_terminate_backend(pid) FROM (" + EVERY + ") worker")
                        hung_up = True
                    await time_passes(0.02)
        finally:
            for connection in held:
                connection.terminate()


NOT_NOW = {
    30: ("every statement times out after 3 ms", {"statement_timeout": "3ms"}),
    31: ("the databases turn read-only", {"default_transaction_read_only": "on"}),
}


@pytest.mark.parametrize("fault", NOT_NOW)
def test_30_and_31_databases_that_cannot_now(two_workers: Lab, fault: int) -> None:
    lab, (title, options) = two_workers, NOT_NOW[fault]
    with Sending(lab) as sending:
        lab.until(lambda: len(sending.accepted) >= 50, "fifty accepted")
        with lab.database_set("api-gateway", **options), lab.database_set("email-service", **options):
            pause(LOAD_SECONDS / 3)
        before = len(sending.accepted)
        lab.until(lambda: len(sending.accepted) >= before + 50, "fifty more accepted")
    assert {answer.status_code for answer in sending.refusals} <= {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in sending.refusals)
    lab.until_ended(sending.accepted)
    lab.prove(fault, title, sending.accepted, ambiguous=lab.ambiguous(sending.accepted))


def with_the_provider(lab: Lab, number: int = 50) -> list[str]:
    """Mails that a stalled mail server has taken and not answered yet."""
    user = lab.user()
    lab.provider(smtp="stall")
    ids = lab.batch(user, number)
    lab.until(lambda: all(lab.copies()[one] == 1 for one in ids), "all with the provider")
    return ids


@contextlib.contextmanager
def heartbeats_locked(lab: Lab) -> Iterator[None]:
    with lab.holding("email-service", "LOCK TABLE email_workers IN SHARE ROW EXCLUSIVE MODE"):
        yield


@contextlib.contextmanager
def workers_frozen(lab: Lab) -> Iterator[None]:
    for name in ("email-service", "email-service-2"):
        lab.freeze(name)
    try:
        yield
    finally:
        lab.thaw_all()


STANDSTILLS: dict[str, tuple[int, Callable[[Lab], contextlib.AbstractContextManager[None]]]] = {
    "PostgreSQL frozen": (34, Lab.postgres_frozen),
    "the table of heartbeats locked": (34, heartbeats_locked),
    "both workers frozen": (35, workers_frozen),
}


@pytest.mark.parametrize("what", STANDSTILLS)
def test_34_and_35_after_a_standstill_the_living_keep_what_is_theirs(two_workers: Lab, what: str) -> None:
    lab, (fault, standstill) = two_workers, STANDSTILLS[what]
    pause(2 * SILENCE_SECONDS)  # both workers have been heard of for long enough to judge
    ids = with_the_provider(lab)
    with standstill(lab):
        pause(FROZEN_SECONDS)
    # Time enough to take over.
    remains(lambda: lab.ambiguous(ids), 2 * SILENCE_SECONDS, holds=lambda ambiguous: ambiguous == {})
    lab.provider()
    lab.prove(fault, f"{what}, fifty with the provider", ids)
    assert lab.ambiguous(ids) == {}


def test_43_a_heartbeat_from_the_future_is_none(two_workers: Lab) -> None:
    lab = two_workers
    pause(2 * SILENCE_SECONDS)
    ids = with_the_provider(lab, 30)
    lab.kill("email-service")
    ahead = "now() + interval '10 minutes'"  # as after a clock that jumped forward and back
    lab.sql("email-service", f"UPDATE email_workers SET heartbeat_at = {ahead}, steady_since = {ahead}")
    lab.sql("email-service", f"UPDATE email_deliveries SET updated_at = {ahead} WHERE state = 'sending'")
    lab.provider()
    lab.until_ended(ids)
    lab.start_again("email-service")  # the one whose ledger the gateway asks for
    lab.prove(43, "the database's clock jumped, then a worker died", ids, ambiguous=lab.ambiguous(ids))

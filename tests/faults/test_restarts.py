"""Processes that crash again and again, that are told to go, and that come and go under load (faults 19, 26, 27)."""

import contextlib
import itertools
import threading
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx2

from testkit.system import MODULES
from tests.faults.lab import Lab

SLOW, QUICK = 20, 80  # of each hundred in a worker's hands; the slow ones fill WORKER_CONCURRENCY
# It lives for a second: as with the real SILENCE_SECONDS it never lives long enough to take over what others left.
CRASHING = {"WORKER_CONCURRENCY": str(SLOW), "WORKER_PREFETCH_COUNT": str(SLOW + QUICK), "SILENCE_SECONDS": "60"}


def test_19_a_worker_that_crashes_again_and_again(lab: Lab) -> None:
    slow, quick = lab.user(f"stall-3+{uuid4().hex}@example.com"), lab.user()
    lab.kill("email-service")
    ids: list[str] = []
    slow_ones: list[str] = []
    for _ in range(3):
        first = lab.batch(slow, SLOW, priority=7)
        slow_ones += first
        ids += [*first, *lab.batch(quick, QUICK)]
        lab.system.start_service("email-service", env=CRASHING)
        lab.until(lambda first=first: states(lab, first) == ["sending"] * SLOW, "twenty under way")
        lab.kill("email-service")
    lab.start_again("email-service")
    lab.until_ended(ids)
    lab.prove(19, "worker killed three times with 100 in hand", ids, ambiguous=lab.ambiguous(ids))
    assert set(lab.statuses(ids).values()) == {"sent"}
    copies, ambiguous = lab.copies(), lab.ambiguous(ids)
    assert all(1 <= copies[one] <= 1 + ambiguous.get(one, 0) for one in ids)
    assert set(ambiguous) == set(slow_ones)  # what was with the provider, and none of what only waited


def test_26_told_to_go_with_sends_in_flight(lab: Lab) -> None:
    ids = lab.batch(lab.user(f"stall-1+{uuid4().hex}@example.com"), 60)
    lab.until(lambda: "sending" in states(lab, ids), "under way")
    assert lab.system.stop_service("email-service") == 0
    assert "sending" not in states(lab, ids)  # what it had in hand is done and written down
    lab.start_again("email-service")
    lab.prove(26, "SIGTERM with sends in flight", ids)
    assert lab.ambiguous(ids) == {}


def test_26_a_rolling_restart_under_load(lab: Lab) -> None:
    second = another(lab, "api-gateway", 2)
    lab.system.wait_ready(second)
    with Load(lab, "api-gateway", second) as load:
        for service in MODULES:
            load.goes_on()
            assert lab.system.stop_service(service) == 0, service
            load.goes_on()
            lab.start_again(service)
    lab.prove(26, "rolling restart of all services under load", load.accepted)
    assert lab.ambiguous(load.accepted) == {}


def test_27_gateways_and_workers_come_and_go_under_load(lab: Lab) -> None:
    more = [another(lab, "api-gateway", 2), *(another(lab, "email-service", number) for number in (2, 3, 4))]
    with Load(lab, "api-gateway", more[0]) as load:
        for name in more:
            lab.system.wait_ready(name)
        load.goes_on()
        for name in more:
            assert lab.system.stop_service(name) == 0, name
            load.goes_on()
    lab.prove(27, "a second gateway, four workers, started and stopped under load", load.accepted)
    assert lab.ambiguous(load.accepted) == {}


class Load(threading.Thread):
    """Sends one notification after the other to the gateways in turn, e-mail and push, until the block ends.

    Whatever is not answered well is sent again with the same request_id, as a client would: elsewhere.
    """

    def __init__(self, lab: Lab, *gateways: str) -> None:
        super().__init__(daemon=True)
        ports = lab.system.ports
        self._urls = itertools.cycle([f"http://127.0.0.1:{ports[name]}/api/v1/notifications/" for name in gateways])
        self._http = httpx2.Client(timeout=10, trust_env=False, headers=lab.system.http.headers)
        self._lab = lab
        self._user = lab.user()
        self._ended = threading.Event()
        self.accepted: list[str] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self.join(60)
        self._http.close()

    def goes_on(self) -> None:
        """Ten more are accepted from now on."""
        wanted = len(self.accepted) + 10
        self._lab.until(lambda: len(self.accepted) >= wanted, "accepting goes on")

    def run(self) -> None:
        for channel in itertools.cycle(("email", "push")):
            if self._ended.is_set():
                return
            self.accepted.append(self._accepted(channel))
            self._ended.wait(0.05)

    def _accepted(self, channel: str) -> str:
        """Its id, once a gateway has taken it."""
        body = {"notification_type": channel, "user_id": self._user, "template_code": "welcome",
                "variables": {"name": "Ada", "link": "https://example.com/x"}, "request_id": str(uuid4())}  # fmt: skip
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                answer = self._http.post(next(self._urls), json=body)
                if answer.status_code == 202:
                    return str(answer.json()["data"]["notification_id"])
            self._ended.wait(0.05)


def another(lab: Lab, service: str, number: int) -> str:
    """One more process of the service, not waited for; its name."""
    name = f"{service}-{number}"
    lab.system.start_service(service, name=name)
    return name


def states(lab: Lab, ids: list[str]) -> list[str]:
    """Their states in the worker's ledger."""
    rows = lab.sql("email-service", "SELECT state FROM email_deliveries WHERE notification_id = ANY($1::uuid[])", ids)
    return [row["state"] for row in rows]

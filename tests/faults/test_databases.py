"""PostgreSQL down: under the gateway, under a worker, and as a whole (faults 8 to 10)."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import httpx2
import pytest

from testkit.servers.postgres import PostgresServer
from tests.faults.lab import QUICK, WHOLE, Lab, letter, post, steadily

SILENCE_SECONDS = float(QUICK["SILENCE_SECONDS"])
SLOWEST_REFUSAL_SECONDS = 1.0 if WHOLE else 5.0  # CI's machines are busy with other things


@contextlib.contextmanager
def postgresql_down(lab: Lab, ending: Callable[[PostgresServer], None] = PostgresServer.kill) -> Iterator[None]:
    ending(lab.postgres)
    try:
        yield
    finally:
        lab.postgres.start()


def test_8_the_gateway_says_503_while_its_database_is_down(lab: Lab) -> None:
    user = lab.user()
    letters = [letter(user) for _ in range(20)]
    ids = [lab.system.send("email", user)]  # user, template and keys are known: what follows needs the database alone
    with postgresql_down(lab):
        refused = [post(lab, one) for one in letters]
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.json()["error"] for answer in refused} == {"database_unavailable"}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert max(answer.elapsed.total_seconds() for answer in refused) < SLOWEST_REFUSAL_SECONDS
    lab.until(lambda: post(lab, letters[0]).status_code == 202, "well again, without a restart")
    taken = [post(lab, one) for one in letters[1:]]
    assert not any("Idempotent-Replayed" in answer.headers for answer in taken), "a 503 had accepted something"
    ids += [answer.json()["data"]["notification_id"] for answer in [*taken, post(lab, letters[0])]]
    lab.prove(8, "gateway's database down: 503, then the same requests again", ids)


def test_9_nothing_is_sent_without_a_claim(lab: Lab) -> None:
    user = lab.user()
    with lab.database_away("email-service"):
        lab.until(lambda: readiness(lab, "email-service") == 503, "the worker has noticed")
        ids = lab.batch(user, 30)
        lab.until(lambda: set(lab.statuses(ids).values()) == {"queued"}, "all with the broker")
        steadily(lambda: ids.append(lab.system.send("email", user)), seconds=2, every=0.2)
        assert not lab.copies().keys() & set(ids)
    lab.prove(9, "worker's database down: nothing sent without a claim", ids)


def test_9_what_was_with_the_provider_when_the_database_went_is_sent_once(lab: Lab) -> None:
    user = lab.user()
    lab.provider(smtp="stall")
    ids = lab.batch(user, 10)
    lab.until(lambda: {lab.ledger(one) for one in ids} == {"sending"}, "all with the provider")
    with lab.database_away("email-service"):
        lab.provider()  # the answers come, and cannot be written down
        steadily(lambda: readiness(lab, "email-service"), seconds=2 * SILENCE_SECONDS, every=0.5)
    lab.prove(9, "worker's database down while the provider had its messages", ids)


@pytest.mark.parametrize(("how", "ending"), [("killed", PostgresServer.kill), ("stopped", PostgresServer.stop)])
def test_10_postgresql_goes_under_load(lab: Lab, how: str, ending: Callable[[PostgresServer], None]) -> None:
    user = lab.user()
    with Load(lab, user) as load:
        lab.until(lambda: len(load.accepted) >= 200, "200 accepted")
        with postgresql_down(lab, ending):
            lab.until(lambda: len(load.refusals) >= 5, "refusals")
        before = len(load.accepted)
        lab.until(lambda: len(load.accepted) >= before + 200, "200 more accepted")
    assert {answer.status_code for answer in load.refusals} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in load.refusals)
    assert max(answer.elapsed.total_seconds() for answer in load.refusals) < SLOWEST_REFUSAL_SECONDS
    lab.prove(10, f"PostgreSQL {how} under load, then restarted", load.accepted)


class Load(threading.Thread):
    """Sends batches one after the other; what is not answered with 202 is sent again under the same request_ids."""

    def __init__(self, lab: Lab, user: str) -> None:
        super().__init__(daemon=True)
        self._url, self._headers = f"{lab.system.gateway}/api/v1/notifications/batch", dict(lab.system.http.headers)
        self._user = user
        self._stopping = threading.Event()
        self.accepted: set[str] = set()
        self.refusals: list[httpx2.Response] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self.join(60)
        assert not self.is_alive(), "the last batch was never accepted"

    def run(self) -> None:
        with httpx2.Client(headers=self._headers, timeout=20, trust_env=False) as http:
            while not self._stopping.is_set():
                batch = {"notifications": [letter(self._user) for _ in range(10)]}
                while not self._accepts(http, batch):
                    self._stopping.wait(0.2)

    def _accepts(self, http: httpx2.Client, batch: dict[str, Any]) -> bool:
        answer = http.post(self._url, json=batch)
        if answer.status_code != 202:
            self.refusals.append(answer)
            return False
        self.accepted |= {item["data"]["notification_id"] for item in answer.json()["data"]["results"]}
        return True


def readiness(lab: Lab, service: str) -> int:
    url = f"http://127.0.0.1:{lab.system.ports[service]}/health/readiness"
    return lab.system.http.get(url).status_code

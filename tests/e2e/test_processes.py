"""A gateway of two processes (WEB_CONCURRENCY=2) is one gateway to its callers, to Prometheus and to who stops it."""

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from testkit.eventually import wait_until
from tests.faults.lab import Lab

NAME = "api-gateway-of-two"


class Gateway:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        lab.system.start_service("api-gateway", name=NAME, env={"WEB_CONCURRENCY": "2"})
        lab.system.wait_ready(NAME)
        self.process = lab.system.processes[NAME].process
        self.url = f"http://127.0.0.1:{lab.system.ports[NAME]}"
        wait_until(lambda: len(self.children()) == 2, 10, "two processes")

    def children(self) -> set[int]:
        pid = self.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def serving(self) -> set[int]:
        """The processes that a connection is open to."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        port = f":{int(self.url.rsplit(':', 1)[1]):04X}"
        open_ones = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] == "01"}
        return {pid for pid in self.children() if open_ones & _files(pid)}

    def client(self) -> httpx2.Client:
        """With one connection, which is kept."""
        return httpx2.Client(base_url=self.url, headers=self._lab.system.http.headers, timeout=20, trust_env=False)

    def send(self, client: httpx2.Client, user: str) -> str:
        body = {"notification_type": "email", "user_id": user, "template_code": "welcome", "request_id": str(uuid4()),
                "variables": {"name": "Ada", "link": "https://example.com/x"}}  # fmt: skip
        answer = client.post("/api/v1/notifications/", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["data"]["notification_id"])

    def accepted(self) -> float:
        """Each time over a new connection, so that now this process answers and now that."""
        answer = httpx2.get(f"{self.url}/metrics", trust_env=False)
        wanted = {"type": "email", "status": "pending"}
        return next(
            sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == "notifications_total" and sample.labels == wanted
        )


def _files(pid: int) -> set[str]:
    return {str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()}


@pytest.fixture
def gateway(started_lab: Lab) -> Iterator[Gateway]:
    yield Gateway(started_lab)
    started_lab.heal()


def test_both_processes_accept_and_any_shows_what_both_did(gateway, started_lab: Lab) -> None:
    user, clients = started_lab.user(), [gateway.client() for _ in range(24)]
    ids = [gateway.send(client, user) for client in clients]
    assert {gateway.accepted() for _ in range(10)} == {24}

    assert gateway.serving() == gateway.children()

    killed, _ = sorted(gateway.children())
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(gateway.children() - {killed}) == 2, 10, "another process in its place")
    ids += [gateway.send(client, user) for client in clients]  # some over new connections: the dead one had theirs
    assert {gateway.accepted() for _ in range(10)} == {48}
    for client in clients:
        client.close()
    started_lab.until_ended(ids)
    assert {started_lab.copies()[one] for one in ids} == {1}


def test_told_to_stop_under_load_it_ends_with_0_and_everything_it_accepted_is_delivered(
    gateway, started_lab: Lab
) -> None:
    user, ids, stopping = started_lab.user(), list[str](), threading.Event()

    def send() -> None:
        with gateway.client() as client:
            for _ in itertools.count():
                try:
                    ids.append(gateway.send(client, user))
                except httpx2.HTTPError:
                    assert stopping.is_set(), "only a gateway that was told to stop closes connections"
                    return

    senders = [threading.Thread(target=send) for _ in range(8)]
    for sender in senders:
        sender.start()
    wait_until(lambda: len(ids) > 100, 20, "load")
    stopping.set()
    told = time.monotonic()
    assert started_lab.system.stop_service(NAME) == 0
    assert time.monotonic() - told < 10
    for sender in senders:
        sender.join()
    started_lab.until_ended(ids)
    assert {started_lab.copies()[one] for one in ids} == {1}

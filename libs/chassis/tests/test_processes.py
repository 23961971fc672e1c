"""WEB_CONCURRENCY: several processes on one port that come, go and count as one service."""

import json
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess, free_port, listens

SCRIPT = Path(__file__).with_name("serving.py")


class Served:
    """`python serving.py` on a port of its own. Each call has a connection of its own, as from many clients."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.port, self.log_file = free_port(), folder / "log"
        settings = {"HOST": "127.0.0.1", "PORT": str(self.port), "TMPDIR": str(folder), "WEB_CONCURRENCY": "2", **env}
        self.parent = ServerProcess([sys.executable, str(SCRIPT)], self.log_file, settings)

    @property
    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log_file.read_text().splitlines() if line.startswith("{")]

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}", timeout=20, trust_env=False)

    def call(self, path: str = "/call") -> int:
        """The id of the process that answered."""
        return int(self.get(path).json())

    def children(self) -> set[int]:
        own = self.parent.process.pid
        return {int(pid) for pid in Path(f"/proc/{own}/task/{own}/children").read_text().split()}

    def answering(self, number: int = 2) -> set[int]:
        """Waits until so many processes answer; their ids."""
        found: set[int] = set()

        def all_of_them() -> bool:
            found.add(self.call())
            return len(found & self.children()) >= number

        wait_until(lambda: listens(self.port), 20, "the port")
        wait_until(all_of_them, 20, f"{number} processes that answer")
        return found & self.children()

    def ask(self, pid: int, path: str) -> None:
        """Calls until this process answers; other processes do nothing."""
        wait_until(
            lambda: self.call(f"{path}{'&' if '?' in path else '?'}only={pid}") == pid, 20, f"an answer of {pid}"
        )

    def metric(self, name: str, **labels: str) -> float | None:
        for family in text_string_to_metric_families(self.get("/metrics").text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def serve(**env: str) -> Served:
        started.append(Served(tmp_path, **env))
        return started[-1]

    yield serve
    for one in started:
        one.parent.stop()


def test_both_processes_answer_and_each_shows_the_sums(served) -> None:
    service = served()
    service.answering()
    before = service.metric("calls_total")
    for _ in range(10):
        service.call()
    shown = {service.metric("calls_total") for _ in range(10)}
    assert shown == {before + 10}
    assert service.metric("sizes_count") == before + 10
    assert service.metric("sizes_bucket", le="10.0") == before + 10
    assert service.metric("sizes_bucket", le="1.0") == 0
    assert service.metric("http_request_duration_seconds_count", route="/call") == before + 10


def test_the_first_processs_port_is_closed_to_everybody_else(served, tmp_path: Path) -> None:
    first = served()
    first.answering()
    second = ServerProcess(
        [sys.executable, str(SCRIPT)], tmp_path / "second", {"PORT": str(first.port), "WEB_CONCURRENCY": "2"}
    )
    assert second.process.wait(20) == 3
    (line,) = (tmp_path / "second").read_text().splitlines()
    assert (json.loads(line)["event"], json.loads(line)["PORT"]) == ("server.not_started", first.port)


def test_a_service_that_cannot_start_says_so_once_and_ends(served) -> None:
    service = served(FAILS="yes", WEB_CONCURRENCY="3")
    assert service.parent.process.wait(20) == 1
    assert service.log_file.read_text().count("RuntimeError: this service cannot be made") == 1
    assert not listens(service.port)


def test_a_wrong_setting_is_one_line(served) -> None:
    service = served(WEB_CONCURRENCY="0")
    assert service.parent.process.wait(20) == 2
    (line,) = service.log_file.read_text().splitlines()
    assert "WEB_CONCURRENCY" in line


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_at_a_stop_all_processes_finish_their_requests_and_exit_with_0(served, tmp_path: Path, how) -> None:
    service = served()
    service.answering()
    answers: list[int] = []
    before = service.metric("begun_total")
    asked = [
        threading.Thread(target=lambda: answers.append(service.get("/call?seconds=3").status_code)) for _ in "1234"
    ]
    for one in asked:
        one.start()
    wait_until(lambda: service.metric("begun_total") == before + 4, 20, "all four under way")
    service.parent.process.send_signal(how)
    assert service.parent.process.wait(10) == 0
    for one in asked:
        one.join()
    assert answers == [200] * 4
    assert list(tmp_path.glob("metrics-*")) == []


def test_a_process_that_is_killed_is_replaced_and_no_counter_goes_backwards(served) -> None:
    service = served()
    first, second = service.answering()
    for pid in (first, second):
        service.ask(pid, "/call")
    service.ask(first, "/work")  # a second of CPU, more than its successor takes to start
    calls, processor = service.metric("calls_total"), service.metric("process_cpu_seconds_total")
    os.kill(first, signal.SIGKILL)
    assert service.metric("calls_total") >= calls  # by the one that is left
    new = service.answering() - {second}
    assert new
    assert first not in new
    assert service.metric("calls_total") > calls
    assert service.metric("process_cpu_seconds_total") >= processor
    ended = [line for line in service.log if line["event"] == "server.process_ended"]
    assert [(line["ended"], line["status"]) for line in ended] == [(first, -signal.SIGKILL)]


def test_connections_not_yet_accepted_survive_the_death_of_their_process(served) -> None:
    service = served()
    first, _ = service.answering()
    os.kill(first, signal.SIGSTOP)  # from now on it accepts nothing
    answers: list[int] = []
    asked = [threading.Thread(target=lambda: answers.append(service.get("/call").status_code)) for _ in range(20)]
    for one in asked:
        one.start()
    wait_until(lambda: len(answers) == 20 - _waiting(service.port), 10, "those of the other process to be answered")
    assert len(answers) < 20
    os.kill(first, signal.SIGKILL)
    for one in asked:
        one.join()
    assert answers == [200] * 20


def _waiting(port: int) -> int:
    """Connections in the port's sockets that no process has accepted."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A")


def test_a_gauge_ends_with_its_process(served) -> None:
    service = served()
    first, second = service.answering()
    service.ask(first, "/worst?value=2")
    service.ask(second, "/worst?value=1")
    wait_until(lambda: service.metric("worst") == 2, 5, "the worst of the two")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: service.metric("worst") == 1, 5, "the gauge without the dead one's")


def test_a_gauge_shows_the_last_observed_value_and_no_removed_one(served) -> None:
    service = served()
    first, second = service.answering()
    service.ask(first, "/see?value=7")
    service.ask(second, "/see?value=8")
    assert {service.metric("seen", what="queue") for _ in range(10)} == {8}
    service.ask(first, "/see")
    assert {service.metric("seen", what="queue") for _ in range(10)} == {None}
    service.ask(second, "/see?value=9")
    assert {service.metric("seen", what="queue") for _ in range(10)} == {9}


def test_the_process_figures_are_those_of_all(served) -> None:
    service = served()
    pids = service.answering() | {service.parent.process.pid}
    assert service.metric("process_open_fds") > 3 * 3
    status = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    held = sum(int(re.search(r"VmRSS:\s+(\d+)", one)[1]) * 1024 for one in status)
    assert service.metric("process_resident_memory_bytes") == pytest.approx(held, rel=0.1)


def test_processes_end_when_their_parent_is_killed(served) -> None:
    service = served()
    service.answering()
    service.parent.stop(how=signal.SIGKILL)
    wait_until(lambda: not listens(service.port), 10, "the port to be free")
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", service.port))

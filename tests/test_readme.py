"""What the README promises a newcomer: `make up`, the five calls as printed, Ctrl-C, a second start, a busy port."""

import html
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess
from tests.leaks.watch import WATCH

ROOT = Path(__file__).parent.parent
ADDRESS = re.compile(r"http://localhost:\d+[\w/.-]*")
PORTS = ("8000", "8001", "8002", "8003", "8004", "1025", "8025", "8080")


def _free_offset() -> int:
    """An offset at which all of the stack's ports are free."""
    while True:
        offset = random.randrange(1_000, 23_000)  # below the ports that the kernel gives to connections
        if all(_is_free(int(port) + offset) for port in PORTS):
            return offset


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Stack:
    """`make up` with its data in `folder`, moved to free ports."""

    def __init__(self, folder: Path) -> None:
        self.offset = _free_offset()
        self.folder = folder
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        self.output = self.folder / f"up-{self.starts}.txt"
        options = ["--port-offset", str(self.offset), "--data", str(self.folder / "data")]
        self.process = ServerProcess([sys.executable, "-m", "devstack", "up", *options], self.output)
        wait_until(lambda: "The system is up" in self.said() or self._ended(), 90, "the embedded stack")
        assert not self._ended(), self.said()
        WATCH.file(self.folder / "data" / "system.log")

    def interrupt(self) -> int:
        self.process.stop(how=signal.SIGINT, seconds=40)
        return self.process.process.returncode

    def said(self) -> str:
        return self.output.read_text() if self.output.exists() else ""

    def moved(self, text: str) -> str:
        return re.sub(r"localhost:(\d{4})", lambda port: f"localhost:{int(port[1]) + self.offset}", text)

    def _ended(self) -> bool:
        return self.process.process.poll() is not None


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("up"))
    running.start()
    yield running
    running.process.stop(how=signal.SIGKILL)


def test_up_sends_an_email_and_a_push_by_itself_and_shows_their_timelines(stack: Stack) -> None:
    for channel in ("email", "push"):
        assert re.search(rf"{channel} +[0-9a-f-]{{36}}: accepted \S+ → queued \+\d+ ms → sent \+\d+ ms", stack.said())


def test_every_address_that_is_printed_or_in_the_readmes_table_answers(stack: Stack) -> None:
    table = (ROOT / "README.md").read_text().split("## Two commands")[1].split("## Five calls")[0]
    addresses = {stack.moved(one) for one in ADDRESS.findall(table)} | set(ADDRESS.findall(stack.said()))
    assert len(addresses) >= 7
    posted = {one for one in addresses if one.endswith("/login")}
    answers = {one: httpx2.get(one, follow_redirects=True).status_code for one in addresses - posted}
    assert set(answers.values()) == {200}, answers
    assert not any(_names_a_port_of_another_stack(one, stack) for one in addresses)


def _names_a_port_of_another_stack(address: str, stack: Stack) -> bool:
    """One that was not moved."""
    return not any(f"localhost:{int(port) + stack.offset}" in address for port in PORTS)


def test_the_commands_that_are_printed_and_on_the_inbox_page_work(stack: Stack) -> None:
    """The page's example needs $TOKEN, which the printed log-in gives, and $USER_ID."""
    login = re.search(r"^ +(curl -s .*?\}')$", stack.said(), re.MULTILINE | re.DOTALL)
    assert login
    session = _shell(login[1])["data"]
    users = stack.moved("http://localhost:8000/api/v1/users")
    person = {"name": "Page", "email": "page@example.com", "password": "SecurePass123!", "push_token": "page-device"}
    user_id = httpx2.post(users, json=person).json()["data"]["id"]
    for kind in ("email", "push"):
        page = httpx2.get(stack.moved(f"http://localhost:8025/?kind={kind}")).text
        example = html.unescape(re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)[0])
        accepted = _shell(example, TOKEN=session["access_token"], USER_ID=user_id)
        assert accepted["success"], accepted


def _shell(command: str, **env: str) -> Any:
    done = subprocess.run(
        ["bash", "-euc", command], env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("outcome", ["order_shipped", "template_exists"], ids=["first", "second"])
def test_the_five_calls_work_as_printed_each_time(stack: Stack, outcome: str) -> None:
    section = (ROOT / "README.md").read_text().split("## Five calls")[1]
    calls = section.split("```bash\n")[1].split("```")[0]
    done = subprocess.run(["bash", "-euc", stack.moved(calls)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    template, notification = (
        json.loads(answer) for answer in re.findall(r"\{.*?\}(?=\{\"success|$)", done.stdout.strip())
    )
    assert done.stderr == ""
    assert outcome in {template["error"], (template["data"] or {}).get("code")}
    assert notification["data"]["request_id"] == f"shipped-{notification['data']['user_id']}"
    inbox = stack.moved("http://localhost:8025/api/messages?kind=email")
    sent = 1 if outcome == "order_shipped" else 2
    wait_until(lambda: _subjects(inbox).count("Your order A-7 is on its way") == sent, 20, "the mail")


def _subjects(inbox: str) -> list[str]:
    return [message["subject"] for message in httpx2.get(inbox).json()["messages"]]


def test_a_second_start_beside_the_first_says_which_ports_are_taken(stack: Stack) -> None:
    again = [sys.executable, "-m", "devstack", "up", "--port-offset", str(stack.offset)]
    done = subprocess.run(
        [*again, "--data", str(stack.folder / "other")], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert f"{8000 + stack.offset} (gateway)" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_stops_it_cleanly_and_the_data_is_there_after_the_next_start(stack: Stack) -> None:
    assert stack.interrupt() == 0
    assert "Stopped" in stack.said()
    assert "Traceback" not in stack.said()
    stack.start()
    found = httpx2.get(stack.moved("http://localhost:8025/api/messages?recipient=john@example.com")).json()
    welcomes = [one for one in found["messages"] if one["subject"].startswith("Welcome")]
    assert len(welcomes) == 2, "those of both starts"
    assert {one["subject"] for one in found["messages"]} - {welcomes[0]["subject"]} == {"Confirm your e-mail address"}
    assert stack.interrupt() == 0


def test_demo_needs_nothing_and_exits_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "devstack", "demo", "--port-offset", str(_free_offset())],
        capture_output=True, text=True, check=False, timeout=120, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "The system works." in done.stdout
    assert done.stderr == ""


MOMENTS: dict[str, Callable[[int, Path], bool]] = {
    "while it imports": lambda process, _: "pydantic_core" in Path(f"/proc/{process}/maps").read_text(),
    "before PostgreSQL": lambda _, folder: (folder / "data/in-use-by").exists(),
    "while PostgreSQL starts": lambda _, folder: (folder / "data/postgres/postmaster.pid").exists(),
    "while it migrates": lambda _, folder: "Running upgrade" in _read(folder / "data/system.log"),
    "before the services": lambda _, folder: (folder / "data/simulators").exists(),
    "while the services start": lambda _, folder: "Application startup complete" in _read(folder / "data/system.log"),
}


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_stops_a_start_at_any_moment(tmp_path: Path, moment: str) -> None:
    options = ["--port-offset", str(_free_offset()), "--data", str(tmp_path / "data")]
    output = tmp_path / "up.txt"
    up = ServerProcess([sys.executable, "-m", "devstack", "up", *options], output)
    try:
        wait_until(lambda: MOMENTS[moment](up.process.pid, tmp_path), 60, moment)
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(30) in {0, 130}, output.read_text()
    finally:
        up.stop(how=signal.SIGKILL)
    assert "Traceback" not in output.read_text()
    assert "The system is up" not in output.read_text()
    assert not (tmp_path / "data/postgres/postmaster.pid").exists(), "PostgreSQL runs on"

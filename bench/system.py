"""The five services with production settings, and counting sinks as providers."""

import base64
import os
import signal
import time
from pathlib import Path

from bench.ports import quiet_port
from bench.servers import Rabbit
from testkit.eventually import wait_until
from testkit.servers.process import listens
from testkit.system import MODULES, System

# No rate limits, and otherwise the services' own defaults: settings that the end-to-end tests shorten are restored.
SETTINGS = {"RATE_LIMIT_PER_MINUTE": "50000000"}
SHORTENED_BY_TESTS = ("RETRY_BASE_SECONDS", "DEFERRED_RETRY_SECONDS")
POLL_SECONDS = 0.02


class BenchSystem(System):
    """The lab sets `simulators` before `start`: `smtp_port`, `base_url` and `service_account` of the sinks."""

    @classmethod
    def for_servers(cls, folder: Path, databases: dict[str, str], redis_url: str, rabbit: Rabbit) -> "BenchSystem":
        ports = {name: quiet_port() for name in MODULES}
        return cls(folder, databases, redis_url, rabbit, ports=ports, settings=dict(SETTINGS))

    def encrypt(self) -> None:
        """Uses DATA_ENCRYPTION_KEYS from the next start on."""
        self.settings["DATA_ENCRYPTION_KEYS"] = f"bench:{base64.b64encode(os.urandom(32)).decode()}"

    def start_service(self, service: str, name: str | None = None, env: dict[str, str] | None = None) -> None:
        self.ports.setdefault(name or service, quiet_port())
        super().start_service(service, name, env)

    def start_timed(self, name: str) -> float:
        """Starts a service and returns the seconds until it is ready."""
        began = time.monotonic()
        self.start_service(name)
        self._until_ready(name, 60, poll=POLL_SECONDS)
        return time.monotonic() - began

    def wait_ready(self, name: str, seconds: float = 60) -> None:
        self._until_ready(name, seconds, poll=0.1)

    def _until_ready(self, name: str, seconds: float, poll: float) -> None:
        """The error contains the service's last log lines, because the log is deleted when the bench ends."""
        deadline = time.monotonic() + seconds
        url = f"http://127.0.0.1:{self.ports[name]}/health/readiness"
        while self._status(url) != 200:
            if self.processes[name].process.poll() is not None or time.monotonic() > deadline:
                last = (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
                raise TimeoutError(f"{name} is not ready; its log ends with:\n{last}")
            time.sleep(poll)

    def pids(self) -> dict[str, int]:
        return {name: process.process.pid for name, process in self.processes.items() if process.process.poll() is None}

    def kill_all(self) -> None:
        """SIGKILL to each process and its children. Their data is deleted anyway."""
        for process in self.processes.values():
            if process.process.poll() is None:
                os.killpg(process.process.pid, signal.SIGKILL)
        wait_until(lambda: not (self.pids() or any(map(listens, self.ports.values()))), 30, "the services' end")
        self.processes.clear()
        self.ports = {name: port for name, port in self.ports.items() if name in MODULES}

    def _start_simulators(self) -> None:
        """Does nothing: the lab has started them."""

    def _env(self, service: str) -> dict[str, str]:
        given = super()._env(service)
        return {name: value for name, value in given.items() if name not in SHORTENED_BY_TESTS}

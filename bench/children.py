"""Processes of this package: started as modules, awaited by their output, stopped together."""

import sys
from collections.abc import Mapping
from pathlib import Path

from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess


class Children:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, ServerProcess] = {}

    def start(self, name: str, module: str, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._log(name).unlink(missing_ok=True)
        self._processes[name] = ServerProcess([sys.executable, "-m", module, *arguments], self._log(name), env)

    def said(self, name: str, seconds: float = 30) -> str:
        """The first complete line of its output."""
        log = self._log(name)
        wait_until(lambda: log.exists() and "\n" in log.read_text(), seconds, f"{name} (see {log})")
        return log.read_text().splitlines()[0]

    def pids(self) -> dict[str, int]:
        return {
            name: process.process.pid for name, process in self._processes.items() if process.process.poll() is None
        }

    def stop(self, *names: str) -> None:
        """Stops all of them, or only the given ones."""
        for name in names or tuple(self._processes):
            self._processes.pop(name).stop()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name.replace(' ', '-')}.log"

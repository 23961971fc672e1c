"""A private Redis from Debian's package."""

import signal
from collections.abc import Sequence
from pathlib import Path

from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess, free_port, listens, require


class RedisServer:
    """`options` are the program's; they are added to the ones here, or replace them."""

    def __init__(self, folder: Path, port: int | None = None, *, options: Sequence[str] = ()) -> None:
        self.port = port or free_port()
        self._options = options
        self._folder = folder
        self.log = folder / "redis.log"
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        program = require("redis-server", "redis-server")
        options = ["--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder), *self._options]
        self._process = ServerProcess([program, "--port", str(self.port), *options], self.log)
        wait_until(lambda: listens(self.port), 20, "Redis")

    def stop(self) -> None:
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """SIGKILL: its data is lost."""
        if self._process:
            self._process.stop(how=signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP: the kernel accepts connections, but Redis does not respond. SIGCONT continues it."""
        if self._process and self._process.process.poll() is None:
            self._process.process.send_signal(number)

"""A private RabbitMQ from Debian's package: its own node name, ports and folders."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess, free_port, listens, require

EPMD_PORT = 4369


class RabbitServer:
    """Queues survive `stop` and `kill`; they are there again after `start`. With a `metrics_port` Prometheus metrics are
    served.

    `config` are lines of rabbitmq.conf; a list may be changed until `start`. Nodes of one cluster have the same `cookie`.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        metrics_port: int | None = None,
        config: Sequence[str] = (),
        cookie: str = "",
    ) -> None:
        self.port = port or free_port()
        self._config = config
        self._cookie = cookie or uuid4().hex
        self._metrics_port = metrics_port
        self._distribution_port = free_port()
        self._folder = folder
        self.log = folder / "rabbitmq.log"
        self.node = f"test-{uuid4().hex[:10]}@localhost"
        self._process: ServerProcess | None = None
        self._epmd_was_there = False

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        plugins = "rabbitmq_prometheus" if self._metrics_port else ""
        (self._folder / "enabled_plugins").write_text(f"[{plugins}].\n")
        lines = [f"prometheus.tcp.port = {self._metrics_port}"] if plugins else []
        (self._folder / "rabbitmq.conf").write_text("".join(f"{line}\n" for line in (*lines, *self._config)))
        (self._folder / ".erlang.cookie").unlink(missing_ok=True)
        (self._folder / ".erlang.cookie").write_text(self._cookie)
        (self._folder / ".erlang.cookie").chmod(0o400)
        program = require("rabbitmq-server", "rabbitmq-server")
        self._epmd_was_there = self._epmd_was_there or listens(EPMD_PORT)
        self.log.unlink(missing_ok=True)  # of an earlier start: its "startup complete" must not count
        # In its folder: Erlang leaves what it dumps where it was started.
        self._process = ServerProcess([program], self.log, self._env(), self._folder)
        wait_until(lambda: listens(self.port) and self._is_up(), 90, "RabbitMQ")

    def stop(self) -> None:
        if self._process:
            self._process.stop(seconds=60)

    def clean_up(self) -> None:
        """Erlang's port mapper outlives the node that started it. It refuses to stop while other nodes use it."""
        if self._process and not self._epmd_was_there:
            subprocess.run([require("epmd", "erlang-base"), "-kill"], check=False, capture_output=True)

    def kill(self) -> None:
        """SIGKILL to the whole group: the Erlang machine is a child of a shell."""
        if self._process and self._process.process.poll() is None:
            os.killpg(self._process.process.pid, signal.SIGKILL)
            self._process.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group. SIGSTOP freezes the broker with its connections open; SIGCONT continues it."""
        if self._process and self._process.process.poll() is None:
            os.killpg(self._process.process.pid, number)

    def control(self, *arguments: str, given: str | None = None) -> str:
        """Runs `rabbitmqctl` against this node, with `given` as its input."""
        command = [require("rabbitmqctl", "rabbitmq-server"), "-q", *arguments]
        environment = {**os.environ, **self._env()}
        done = subprocess.run(command, env=environment, input=given, check=True, capture_output=True, text=True)
        return done.stdout

    def _is_up(self) -> bool:
        """Listening starts before the default user exists: a queue declared too early would be refused."""
        return "Server startup complete" in self.log.read_text(errors="replace")

    def _env(self) -> dict[str, str]:
        return {
            "HOME": str(self._folder),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
        }

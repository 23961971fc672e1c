"""A private PostgreSQL from Debian's package."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess, as_user, free_port, require


class PostgresServer:
    """`settings` are lines of postgresql.conf (`name=value`). With a `primary` it begins as that server's standby."""

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        settings: Sequence[str] = (),
        primary: "PostgresServer | None" = None,
    ) -> None:
        self.port = port or free_port()
        self._settings = settings
        self._primary = primary
        self._data = folder / "data"
        self.log = folder / "postgres.log"
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        server = require("postgres", "postgresql")
        if not (self._data / "PG_VERSION").exists():
            self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.geteuid() == 0:
                shutil.chown(self._data, "postgres", "postgres")
            self._run(*self._made_from(self._primary))
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=300"]
        options += ["-c", "log_error_verbosity=terse"]  # like the compose file: a DETAIL contains a row's values
        options += [option for setting in self._settings for option in ("-c", setting)]
        command = [server, "-D", str(self._data), "-p", str(self.port), *options]
        self._process = ServerProcess(as_user("postgres", command), self.log)
        wait_until(self._answers, 30, "PostgreSQL")

    def promote(self) -> None:
        """Makes the standby a primary. It takes writes when this returns."""
        self._run("pg_ctl", "promote", "-D", str(self._data))

    def stop(self) -> None:
        """Fast shutdown: open connections are closed."""
        if self._process:
            self._process.stop(how=signal.SIGINT)

    def kill(self) -> None:
        """Like a crash: kills the postmaster at once; its children notice and end."""
        if self._process:
            self._process.stop(how=signal.SIGQUIT)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the server and its backends, which are process groups of their own. SIGSTOP freezes it with its
        connections open.

        The postmaster comes first, because it could start more backends in the meantime.
        """
        if self._process and self._process.process.poll() is None:
            for pid in (self._process.process.pid, *_children(self._process.process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _made_from(self, primary: "PostgresServer | None") -> Sequence[str]:
        """A standby keeps in its files where its primary is, and streams under the name `standby`."""
        if primary is None:
            return "initdb", "-D", str(self._data), "-U", "postgres", "--auth=trust", "-N"
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
        return "pg_basebackup", "-D", str(self._data), "-d", source, "-R", "-c", "fast", "-N"

    def _run(self, program: str, *arguments: str) -> None:
        command = as_user("postgres", [require(program, "postgresql"), *arguments])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def _answers(self) -> bool:
        ready = [require("pg_isready", "postgresql-client"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(status.parent.name))
    return found

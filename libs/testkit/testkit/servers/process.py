"""A private server process: starting it, waiting for it, stopping it by pid."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.leaks.watch import WATCH

SERVERS = {"postgres": "postgresql", "redis-server": "redis-server", "rabbitmq-server": "rabbitmq-server"}
APT_GET = Path(__file__).resolve().parents[4] / "scripts" / "apt_get.sh"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def as_user(name: str, command: Sequence[str]) -> list[str]:
    """The command, run as the user `name` if this is root, because PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", *command]


class ServerProcess:
    """One process in its own group, so that a Ctrl-C for the tests does not reach it."""

    def __init__(
        self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> None:
        with log.open("ab") as output:
            WATCH.file(log)
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(env or {})},
                cwd=folder,
                start_new_session=True,
            )

    def stop(self, *, how: signal.Signals = signal.SIGTERM, seconds: float = 30) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def require(program: str, package: str) -> str:
    """The path of `program`. In CI, Debian's `package` is installed if it is missing."""
    found = _find(program)
    if found is None and os.environ.get("CI") == "true":
        _install(package)
        found = _find(program)
    if found is None:
        raise FileNotFoundError(f"{program} was not found; on Debian: apt-get install {package}")
    return found


def require_servers(**more: str) -> None:
    """Ends the process with one line if a server, or one of `more` (program=package), is missing and cannot be
    installed.
    """
    missing = {}
    for program, package in {**SERVERS, **more}.items():
        try:
            require(program, package)
        except (FileNotFoundError, subprocess.CalledProcessError):  # apt-get has said why
            missing[program] = package
    if missing:
        raise SystemExit(f"Not found: {', '.join(missing)}. On Debian: apt-get install {' '.join(missing.values())}")


def _find(program: str) -> str | None:
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/lib/rabbitmq/bin")]
    for folder in folders:
        if (folder / program).exists():
            return str(folder / program)
    return shutil.which(program)


def _install(package: str) -> None:
    """Starts no service on its standard port. Only one test process installs at a time, and it waits for other users of
    apt.
    """
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    with (Path(tempfile.gettempdir()) / "tests-apt-get.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run([*prefix, str(APT_GET), *arguments], env=env, check=True, stdout=subprocess.DEVNULL)

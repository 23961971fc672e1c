"""`notify` as its users start it: a process of its own, without a terminal."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from testkit.system import System

COMMAND = [sys.executable, "-m", "notifications.cli"]
# A run of tests in the background ignores Ctrl-C, and its children would, too.
AT_A_TERMINAL = ("env", "--default-signal=INT")
SCOPES = ["notifications:read", "notifications:write", "templates:read", "templates:write", "users:read", "users:write"]


@dataclass(frozen=True)
class NotifyCommand:
    """Runs in `folder`, with a key of an application of its own in the environment."""

    folder: Path
    env: dict[str, str] = field(repr=False)

    def __call__(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> "Ended":
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=self.folder, env={**self.env, **(env or {})}, input=stdin,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*AT_A_TERMINAL, *COMMAND, *arguments], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    def ok(self) -> "Ended":
        assert self.code == 0, f"{self.code}: {self.out}{self.err}"
        return self


def notify_command(system: System, folder: Path, **key: Any) -> NotifyCommand:
    """`key`: fields of the API key, such as other scopes."""
    made = system.call("POST", "/api-keys", {"name": f"notify {uuid4().hex}", "scopes": SCOPES, **key}, status=201)
    apart = {name for name in os.environ if name.startswith("NOTIFICATIONS_")}
    env = {name: value for name, value in os.environ.items() if name not in apart}
    config = folder / "config"
    config.mkdir()
    given = {"NOTIFICATIONS_URL": system.gateway, "NOTIFICATIONS_API_KEY": made["key"], "XDG_CONFIG_HOME": str(config)}
    return NotifyCommand(folder, {**env, **given})

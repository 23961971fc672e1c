"""apt-get has locks, and other programs install things too: it waits for them. With the real one, in folders of its own."""

import fcntl
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from testkit.servers.process import APT_GET

ROOT = APT_GET.parents[1]
pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is Debian's")


@pytest.fixture
def update(tmp_path: Path) -> list[str]:
    """The command; nothing of the machine's is read or written, and no source is named."""
    folders = {"Dir::Etc": "etc", "Dir::State": "state", "Dir::Cache": "cache", "Dir::Log": "log"}
    for folder in ("etc/apt.conf.d", "state/lists/partial", "cache/archives/partial", "log"):
        (tmp_path / folder).mkdir(parents=True)
    options = [f"{name}={tmp_path / folder}" for name, folder in folders.items()]
    return [str(APT_GET), *(part for option in options for part in ("-o", option)), "update"]


def run(command: list[str], **env: str) -> "subprocess.CompletedProcess[str]":
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **env}
    return subprocess.run(command, env=path, capture_output=True, text=True, check=False, timeout=60)


def test_a_taken_lock_is_waited_for(update: list[str], tmp_path: Path) -> None:
    with (tmp_path / "state/lists/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        release = threading.Timer(1.5, fcntl.lockf, (lock, fcntl.LOCK_UN))
        began = time.monotonic()
        release.start()
        done = run(update)
        release.join()
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began >= 1.5


def test_a_lock_that_is_never_given_back_ends_it_with_what_apt_said(update: list[str], tmp_path: Path) -> None:
    with (tmp_path / "state/lists/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        done = run(update, APT_WAIT_SECONDS="2")
    assert done.returncode == 100
    assert "Could not get lock" in done.stderr


def test_what_is_no_lock_is_not_tried_again() -> None:
    done = run([str(APT_GET), "no-such-operation"])
    assert done.returncode == 100
    assert "Invalid operation" in done.stderr


def test_nothing_here_calls_apt_get_past_it() -> None:
    """Hints to people name it; commands do not. In an image that is being built no other program has a lock."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    scripts = [name for name in listing if re.search(r"\.(py|sh|ya?ml)$|Makefile$|^\.ci/|^\.github/", name)]
    called = re.compile(
        r"^\s*(- )?(run: )?(sudo )?(DEBIAN_FRONTEND=\w+ )?apt(-get)? |&& apt(-get)? |[\"']apt(-get)?[\"'],",
        re.MULTILINE,
    )
    assert [name for name in scripts if called.search((ROOT / name).read_text())] == []

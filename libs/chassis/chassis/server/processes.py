"""A service as several processes on one port: a parent listens, starts them, replaces dead ones, and stops them.

Each process accepts from its own socket, and the kernel spreads connections over them (SO_REUSEPORT). With one shared
socket, one process took 62 of 64 long-lived connections that were opened at once. The parent keeps the sockets open, so the
replacement of a dead process answers the connections that wait in its socket.
"""

import contextlib
import itertools
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import structlog

from chassis.observability.shared_metrics import SharedMetrics

log = structlog.get_logger()

STOP = {signal.SIGTERM, signal.SIGINT}
STARTED = signal.SIGUSR1  # from a member to the parent
HEARD = {*STOP, STARTED, signal.SIGCHLD}
PAUSE_SECONDS = 1.0  # between two starts of a member: one that fails at once must not take the CPU from other members
NOT_STARTED = 3
BACKLOG = 2048

Listeners = list[socket.socket]  # one socket per address


@dataclass(frozen=True, slots=True)
class Membership:
    """What a member gets from its parent. `orphaned` is the end of a pipe that becomes readable when the parent is gone."""

    member: int
    parent: int
    listeners: Listeners
    metrics: SharedMetrics
    orphaned: int

    @property
    def first(self) -> bool:
        return self.member == 0

    def started(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # the parent is gone; `orphaned` reports that too
            os.kill(self.parent, STARTED)


class Processes:
    """Runs one member for each of `listeners`. A member runs `work` until SIGTERM; `work` returns an exit status.

    The first member starts alone. The other members start when it serves, so a common start error is logged only once.
    """

    def __init__(
        self, listeners: Sequence[Listeners], work: Callable[[Membership], int], metrics: SharedMetrics
    ) -> None:
        self._listeners = listeners
        self._work = work
        self._metrics = metrics
        self._parent = os.getpid()
        self._members: dict[int, int] = {}  # by process id
        self._started_at: dict[int, float] = {}
        self._orphaned, self._living = os.pipe()
        self._serving = self._stopping = False
        self._status = 0

    def run(self) -> int:
        """Runs until SIGTERM or SIGINT; returns an exit status. Call it before any thread starts, because it forks."""
        signal.signal(signal.SIGCHLD, lambda *_: None)  # if it were ignored, its default, it could not be waited for
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        self._start(0)
        while self._members:
            match signal.sigwait(HEARD):
                case signal.SIGCHLD:
                    self._replace_ended()
                case signal.SIGUSR1:
                    self._start_the_others()
                case _:
                    self._stop()
        return self._status

    def _start(self, member: int) -> None:
        time.sleep(max(0.0, self._started_at.get(member, 0.0) + PAUSE_SECONDS - time.monotonic()))
        self._started_at[member] = time.monotonic()
        pid = os.fork()
        if pid == 0:
            self._be(member)
        self._members[pid] = member

    def _start_the_others(self) -> None:
        self._serving = True
        for member in set(range(len(self._listeners))) - set(self._members.values()):
            if not self._stopping:
                self._start(member)

    def _replace_ended(self) -> None:
        for pid, status in _ended():
            member = self._members.pop(pid)
            self._metrics.forget(member)
            if self._stopping:
                self._status = self._status or (0 if status == -signal.SIGTERM else abs(status))
            elif self._serving:
                log.warning("server.process_ended", ended=pid, status=status, hint="another one takes its place")
                self._start(member)
            else:
                self._status = status if status > 0 else NOT_STARTED
                self._stop()

    def _stop(self) -> None:
        """Stops accepting. The ports are free when the members have closed their sockets too."""
        self._stopping = True
        _close(self._listeners)
        for pid in self._members:
            os.kill(pid, signal.SIGTERM)

    def _be(self, member: int) -> NoReturn:
        """Runs in the new process. Never returns into the parent's code."""
        status = 1
        try:
            os.close(self._living)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
            _close(others for number, others in enumerate(self._listeners) if number != member)
            self._metrics.join(member)
            listeners = self._listeners[member]
            status = self._work(Membership(member, self._parent, listeners, self._metrics, self._orphaned))
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except BaseException:  # noqa: BLE001 - otherwise the child would continue as a second parent
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def _ended() -> list[tuple[int, int]]:
    """Process ids and exit statuses (negative for a signal's number) of members that have ended."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # there are no children any more
            return found
        if pid == 0:
            return found
        found.append((pid, os.waitstatus_to_exitcode(status)))


def listen(host: str, port: int, number: int) -> list[Listeners]:
    """Sockets for `number` processes, at each address of `host`, as asyncio would find them. Raises OSError."""
    _close([_open(host, port, shared=False)])  # otherwise two services with the same port would share it unnoticed
    first = _open(host, port, shared=True)
    taken = first[0].getsockname()[1]  # differs from `port` only if that is 0
    return [first, *(_open(host, taken, shared=True) for _ in range(1, number))]


def _open(host: str, port: int, *, shared: bool) -> Listeners:
    opened = []
    for family, kind, protocol, _, address in dict.fromkeys(
        socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    ):
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        opened.append(listener)
    return opened


def _close(several: Iterable[Listeners]) -> None:
    for listener in itertools.chain.from_iterable(several):
        listener.close()


def run_processes(listeners: Sequence[Listeners], work: Callable[[Membership], int]) -> int:
    """Runs `work` in one process per listener; the processes share their metrics. Returns the exit status."""
    with TemporaryDirectory(prefix="metrics-") as folder:
        return Processes(listeners, work, SharedMetrics(Path(folder))).run()

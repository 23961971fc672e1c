"""Following something until it has ended."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from notifications.cli.exits import CommandError, ExitCode

Followed = TypeVar("Followed")
POLL_SECONDS = 0.5


def follow_until(
    ended: Callable[[Followed], bool],
    get: Callable[[], Followed],
    *,
    timeout: float,
    problem: Callable[[Followed], str],
) -> Iterator[Followed]:
    """Yields what `get` returns, twice a second, up to the one that has `ended`.

    Raises CommandError with what `problem` says of the last one after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not ended(found := get()):
        yield found
        if time.monotonic() > deadline:
            raise CommandError(problem(found), ExitCode.TIMED_OUT)
        time.sleep(POLL_SECONDS)
    yield found

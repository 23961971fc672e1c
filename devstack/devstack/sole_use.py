"""One stack at a time on a data folder: two would share databases, and each other's mail."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.plan import StackError


@contextmanager
def sole_use(data: Path) -> Iterator[None]:
    """Raises StackError while another process has the folder; it is free again when that process ends, however it ends."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "in-use-by").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StackError(
                f"The data in {data} is in use by a running stack (process {lock.read().strip()}).\n"
                "Stop it, or give this one a folder of its own: make up ARGS='--port-offset 100 --data DIR'"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield

"""Work on many things in a thread, for a caller who waits only so long."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def in_time(items: Iterable[Item], until: float) -> Iterator[Item]:
    """The first item, and further ones as long as the monotonic clock has not passed `until`."""
    for item in items:
        yield item
        if time.monotonic() > until:
            return

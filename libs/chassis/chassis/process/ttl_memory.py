"""A bounded in-process cache: it evicts the least recently used entry first, and every entry expires."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Default = TypeVar("Default")


class TtlMemory(Generic[Key, Value]):
    """At most `max_entries` entries. Each lives for `seconds` after `put`. `clock` is monotonic. For one event loop."""

    def __init__(self, max_entries: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_entries = max_entries
        self._seconds = seconds
        self._clock = clock
        self._entries: OrderedDict[Key, tuple[Value, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, default: Default) -> Value | Default:
        entry = self._entries.get(key)
        if entry is None:
            return default
        value, until = entry
        if until <= self._clock():
            del self._entries[key]
            return default
        self._entries.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        self._entries[key] = (value, self._clock() + self._seconds)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def drop(self, key: Key) -> None:
        self._entries.pop(key, None)

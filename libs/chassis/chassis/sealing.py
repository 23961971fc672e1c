"""Values that are kept where others might write: sealed, so that only who knows the secret can make or change one."""

import hmac
import struct
import time
from collections.abc import Callable

_TIME = struct.Struct(">Q")
_TAG_BYTES = 32


class Seal:
    """`purpose` keeps values of one kind from being taken for another's. `clock` is the wall clock."""

    def __init__(self, secret: str, purpose: str, *, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac.digest(secret.encode(), purpose.encode(), "sha256")
        self._clock = clock

    def close(self, name: str, value: bytes, *, seconds: float) -> bytes:
        """`value`, good under `name` for so many seconds: an old one that is put back later is not."""
        dated = _TIME.pack(int(self._clock() + seconds)) + value
        return self._tag(name, dated) + dated

    def open(self, name: str, sealed: bytes) -> bytes | None:
        """The value; None for whatever was not sealed under this name, or is older than it may be."""
        tag, dated = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        if len(dated) < _TIME.size or not hmac.compare_digest(tag, self._tag(name, dated)):
            return None
        [until] = _TIME.unpack_from(dated)
        return dated[_TIME.size :] if self._clock() < until else None

    def _tag(self, name: str, dated: bytes) -> bytes:
        return hmac.digest(self._key, name.encode() + b"\0" + dated, "sha256")

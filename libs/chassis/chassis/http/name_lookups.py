"""Looks host names up in threads of its own, so that a slow name server delays nothing else."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class ThreadPoolResolver(AbstractResolver):
    """For names that strangers choose.

    The event loop's own look-ups share two threads (uvloop) or six (asyncio, with two cores) with everything else in the
    process, and a look-up that its caller no longer waits for occupies its thread for half a minute. `lookup` is
    `socket.getaddrinfo`, or takes its place.
    """

    def __init__(self, threads: int, *, lookup: Callable[..., list[Any]] = socket.getaddrinfo) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="name-lookup")
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        ask = partial(self._lookup, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host, host=address[0], port=address[1], family=family, proto=protocol, flags=_NUMERIC
            )
            for family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

"""`python -m bench.sinks smtp|fcm`: serves on free ports, which it prints as one JSON line; SIGTERM ends it."""

import asyncio
import gc
import json
import signal
import sys
from collections.abc import Callable

import uvloop

from bench.sinks.control import Control
from bench.sinks.fcm import FcmSession
from bench.sinks.replies import Delay
from bench.sinks.smtp import SmtpSession
from bench.sinks.tally import Tally

SESSIONS: dict[str, Callable[[Tally, Delay], asyncio.Protocol]] = {"smtp": SmtpSession, "fcm": FcmSession}


async def serve(kind: str) -> None:
    tally, delay = Tally(), Delay()
    session = SESSIONS[kind]
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    sink = await loop.create_server(lambda: session(tally, delay), "127.0.0.1", 0, backlog=1024)
    control = await asyncio.start_server(Control(tally, delay).serve, "127.0.0.1", 0)
    ports = {"port": sink.sockets[0].getsockname()[1], "control": control.sockets[0].getsockname()[1]}
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    gc.disable()  # there are no cycles here, and collecting a hundred thousand arrivals is a pause
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))

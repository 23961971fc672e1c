"""The delivering half of the unguarded pipeline: takes a message, sends prepared bytes, acknowledges.

`python -m bench.baselines.delivering smtp|fcm PORT`. There is no ledger, template or status: a crash between sending and
acknowledging sends twice, and no outcome is reported. It has the concurrency of a worker with default settings.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import aio_pika
import aiohttp
import aiosmtplib
import uvloop
from aio_pika.abc import AbstractIncomingMessage

from bench.baselines.accepting import QUEUE
from bench.sinks.fcm import ACCESS
from delivery.settings import WorkerSettings

WIDTH = int(WorkerSettings.model_fields["worker_concurrency"].default)
PREFETCH = int(WorkerSettings.model_fields["worker_prefetch_count"].default)
SENDER = "noreply@example.com"
RECIPIENT = "ada@example.com"
MAIL = (
    "Message-ID: <%s@example.com>\r\nFrom: noreply@example.com\r\nTo: Ada <ada@example.com>\r\nSubject: Hello Ada\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    "<p>Hello Ada, <a href='https://example.com/x'>open</a></p>\r\n"
)
PUSH = (
    '{"message":{"token":"device","notification":{"title":"Hi Ada","body":"Look at this"},'
    '"data":{"notification_id":"%s","link":"https://example.com/x"}}}'
)
Send = Callable[[str], Awaitable[None]]


async def mailer(port: int) -> Send:
    """Kept connections, each used by one message at a time."""
    idle: asyncio.Queue[aiosmtplib.SMTP] = asyncio.Queue()
    for _ in range(WIDTH):
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        idle.put_nowait(client)

    async def send(key: str) -> None:
        client = await idle.get()
        try:
            await client.sendmail(SENDER, [RECIPIENT], (MAIL % key).encode())
        finally:
            idle.put_nowait(client)

    return send


async def pusher(port: int) -> Send:
    http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=WIDTH), auto_decompress=False)
    headers = {"Authorization": f"Bearer {ACCESS.decode()}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}/v1/projects/sink/messages:send"

    async def send(key: str) -> None:
        async with http.post(url, data=(PUSH % key).encode(), headers=headers) as response:
            response.raise_for_status()
            await response.read()

    return send


async def deliver(kind: str, port: int) -> None:
    send = await (mailer(port) if kind == "smtp" else pusher(port))
    connection = await aio_pika.connect(os.environ["RABBITMQ_URL"])
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=PREFETCH)
    queue = await channel.declare_queue(QUEUE, durable=True)

    async def handle(message: AbstractIncomingMessage) -> None:
        await send(message.message_id or "")
        await message.ack()

    await queue.consume(handle)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    sys.stdout.write("consuming\n")
    sys.stdout.flush()
    await ended.wait()
    await connection.close()


if __name__ == "__main__":
    uvloop.run(deliver(sys.argv[1], int(sys.argv[2])))

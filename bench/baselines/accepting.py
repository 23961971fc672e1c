"""The accepting half of the unguarded pipeline: the bare endpoint, then one insert, then one confirmed publish.

With USERS_URL, it first looks the user up there with one GET: the same work as the system's for users in no cache. There is
no authentication, limit, idempotency or outbox: if the broker fails after the insert, the message is lost.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aio_pika
import aiohttp
import asyncpg
import orjson
from fastapi import FastAPI, Request
from uuid_utils.compat import uuid7

from api_gateway.schemas.answers import Accepted
from api_gateway.schemas.requests import NotificationRequest
from bench.baselines.serving import serve
from chassis.http.envelope import Envelope
from contracts.status import Status

QUEUE = "baseline.queue"
TABLE = """CREATE TABLE IF NOT EXISTS notifications (id uuid PRIMARY KEY, request_id text, user_id uuid, body jsonb,
    status text DEFAULT 'queued', created_at timestamptz)"""
INSERT = "INSERT INTO notifications (id, request_id, user_id, body, created_at) VALUES ($1, $2, $3, $4, $5)"


@contextlib.asynccontextmanager
async def users_client() -> AsyncIterator[aiohttp.ClientSession | None]:
    """None without USERS_URL."""
    if "USERS_URL" not in os.environ:
        yield None
        return
    async with aiohttp.ClientSession(os.environ["USERS_URL"], auto_decompress=False) as http:
        yield http


@contextlib.asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[None]:
    pool = await asyncpg.create_pool(os.environ["DATABASE_URL"].replace("+asyncpg", ""), min_size=10, max_size=10)
    await pool.execute(TABLE)
    connection = await aio_pika.connect(os.environ["RABBITMQ_URL"])
    channel = await connection.channel(publisher_confirms=True)
    await channel.declare_queue(QUEUE, durable=True)
    app.state.pool, app.state.exchange = pool, channel.default_exchange
    async with users_client() as app.state.users:
        yield
    await connection.close()
    await pool.close()


app = FastAPI(lifespan=connected)


@app.post("/api/v1/notifications/", status_code=202)
async def accept(asked: NotificationRequest, request: Request) -> Envelope[Accepted]:
    key, now = uuid7(), datetime.now(UTC)
    recipient = await recipient_of(asked.user_id, request.app.state.users)
    body = orjson.dumps({"notification_id": key, "recipient": recipient, **asked.model_dump()})
    await request.app.state.pool.execute(INSERT, key, asked.request_id, asked.user_id, body.decode(), now)
    message = aio_pika.Message(body, message_id=str(key), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await request.app.state.exchange.publish(message, QUEUE)
    data = Accepted(notification_id=key, status=Status.QUEUED, created_at=now)
    return Envelope(success=True, message="Notification queued successfully", data=data, error=None, meta=None)


async def recipient_of(user_id: UUID | None, users: aiohttp.ClientSession | None) -> Any:
    """The user's row. None if no user is looked up."""
    if users is None:
        return None
    async with users.get(f"/users/{user_id}") as answer:
        answer.raise_for_status()
        return orjson.loads(await answer.read())


if __name__ == "__main__":
    serve(app)

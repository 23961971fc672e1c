"""`python -m bench.load.lookups QUESTION`: looks up users with a service's own class, in a process that does nothing else.

Only this module of the bench knows these classes. `callers` of them ask at the same time, each for the next `size` users
after every response. The last printed line is the result.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

import uvloop
from redis.asyncio import Redis

from api_gateway.services.directory import Directory
from chassis.http.client import ServiceClient
from chassis.process.breaker import CircuitBreaker
from chassis.redis.client import connect_redis
from chassis.security import ServiceTokens
from chassis.security.service_keys import ServiceKey
from contracts.messages import NotificationMessage, TemplateRef
from contracts.recipients import EmailRecipient
from contracts.services import API_GATEWAY, EMAIL_SERVICE, USER_SERVICE
from contracts.users import UserContact
from delivery.recipients import RecipientResolver

STAND_IN = EmailRecipient(name="Nobody", email="nobody@example.com")  # a worker's default
Asker = Literal["gateway", "worker"]
ASKERS: Mapping[Asker, str] = {"gateway": API_GATEWAY, "worker": EMAIL_SERVICE}
LookUp = Callable[[Sequence[UUID]], Awaitable[int]]  # how many of them were found


@dataclass(frozen=True, slots=True)
class Question:
    """`asker` is the service whose class is used. A worker asks for one user at a time."""

    asker: Asker
    users: Sequence[str]
    callers: int
    size: int
    user_service_url: str
    redis_url: str
    service_private_key: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`cpu_seconds` are this process's own, without its start."""

    found: int
    seconds: float
    cpu_seconds: float


def gateway(users: ServiceClient, redis: Redis) -> LookUp:
    directory = Directory(users, users, redis)  # no template is looked up

    async def look_up(ids: Sequence[UUID]) -> int:
        answered = await directory.users(ids)
        return sum(isinstance(user, UserContact) and user.id == key for key, user in answered.items())

    return look_up


def worker(users: ServiceClient, redis: Redis) -> LookUp:
    recipients = RecipientResolver(users, redis)

    async def look_up(ids: Sequence[UUID]) -> int:
        answered = [await recipients.resolve(_message(key)) for key in ids]
        return sum(isinstance(one, EmailRecipient) and one != STAND_IN for one in answered)

    return look_up


def _message(user_id: UUID) -> NotificationMessage:
    """Without validation, which is not part of a look-up."""
    return NotificationMessage.model_construct(
        notification_id=user_id,
        request_id="bench",
        correlation_id="bench",
        notification_type="email",
        user_id=user_id,
        template=TemplateRef(code="welcome", version=1, language="en"),
        variables={},
        recipient=STAND_IN,
        priority=5,
        created_at=datetime.now(UTC),
    )


async def answer(question: Question) -> Answer:
    make = {"gateway": gateway, "worker": worker}[question.asker]
    tokens = ServiceTokens(ServiceKey(ASKERS[question.asker], question.service_private_key))
    users = ServiceClient(question.user_service_url, USER_SERVICE, tokens, CircuitBreaker(USER_SERVICE))
    redis = connect_redis(question.redis_url)
    try:
        return await _timed(question, make(users, redis))
    finally:
        await users.close()
        await redis.aclose()


async def _timed(question: Question, look_up: LookUp) -> Answer:
    ids = [UUID(user) for user in question.users]
    turns = iter([ids[first : first + question.size] for first in range(0, len(ids), question.size)])

    async def caller() -> int:
        return sum([await look_up(group) for group in turns])

    began, used = time.perf_counter(), time.process_time()
    found = sum(await asyncio.gather(*(caller() for _ in range(question.callers))))
    return Answer(found, time.perf_counter() - began, time.process_time() - used)


if __name__ == "__main__":
    asked = Question(**json.loads(Path(sys.argv[1]).read_text()))
    sys.stdout.write(json.dumps(asdict(uvloop.run(answer(asked)))))

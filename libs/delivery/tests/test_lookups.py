"""Workers' look-ups in the user and the template service: in groups, and only a user who was looked up counts as gone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from fakeredis import FakeAsyncRedis
from fastapi import FastAPI
from starlette.responses import Response

from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient
from chassis.http.envelope import answer
from chassis.process.breaker import CircuitBreaker
from chassis.redis.cache import TOMBSTONE
from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from contracts.messages import NotificationMessage, TemplateRef
from contracts.recipients import EmailRecipient, Preferences
from contracts.templates import MAX_WHOLE_TEMPLATES, TemplateInfo, TemplateQuestion
from contracts.users import USER_CACHE, UserContact, UserQuestion
from delivery.outcomes import Suppressed
from delivery.recipients import RecipientResolver
from delivery.template_store import TemplateGone, TemplateStore
from devstack.serving import serving


class Services:
    """Both services. `older` is a release without the questions."""

    def __init__(self) -> None:
        self.users: dict[UUID, UserContact] = {}
        self.templates: dict[str, object] = {}
        self.asked: list[int] = []
        self.older = False

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/internal/users/find")
        async def users(question: UserQuestion) -> Response:
            self.asked.append(len(question.ids))
            found = {str(one): self.users[one] for one in question.ids if one in self.users}
            return Response(status_code=405) if self.older else answer({"users": found})

        @app.post("/internal/templates/find")
        async def templates(question: TemplateQuestion) -> Response:
            self.asked.append(len(question.whole))
            found = {str(ref): self.templates[ref.code] for ref in question.whole if ref.code in self.templates}
            data = {"active": {}, "outlines": {}, "whole": found}
            return Response(status_code=404) if self.older else answer(data)

        return app

    def user(self) -> NotificationMessage:
        """A message to a new user, whose copy of the address is an old one."""
        one = UserContact(id=uuid4(), name="Ada", email=NEW.email, preferences=Preferences())
        self.users[one.id] = one
        return message(one.id)


def message(user_id: UUID) -> NotificationMessage:
    return NotificationMessage(
        notification_id=uuid4(), request_id="r", correlation_id="c", notification_type="email", user_id=user_id,
        template=ref("t"), variables={}, recipient=OLD, priority=5, created_at=datetime.now(UTC),
    )  # fmt: skip


def ref(code: str) -> TemplateRef:
    return TemplateRef(code=code, version=1, language="en")


OLD = EmailRecipient(name="Ada", email="old@example.com")
NEW = EmailRecipient(name="Ada", email="new@example.com")


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
async def client(services: Services) -> AsyncIterator[ServiceClient]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with serving(services.app(), listener, lifespan="off", grace_seconds=1):
            made = ServiceClient(url, "services", ServiceTokens(development_key("me")), CircuitBreaker("services"))
            yield made
            await made.close()


@pytest.fixture
async def own_redis() -> AsyncIterator[FakeAsyncRedis]:
    made = FakeAsyncRedis()
    yield made
    await made.aclose()


async def test_recipients_of_many_messages_are_asked_for_together(services, client, own_redis) -> None:
    messages = [services.user() for _ in range(100)]
    recipients = RecipientResolver(client, own_redis)
    assert await asyncio.gather(*map(recipients.resolve, messages)) == [NEW] * 100
    assert services.asked == [100]
    assert await asyncio.gather(*map(RecipientResolver(client, own_redis).resolve, messages)) == [NEW] * 100
    assert services.asked == [100], "another worker finds them in Redis"


async def test_a_user_whom_the_answer_leaves_out_is_gone_and_the_others_are_not(services, client, own_redis) -> None:
    recipients = RecipientResolver(client, own_redis)
    found = await asyncio.gather(recipients.resolve(services.user()), recipients.resolve(message(uuid4())))
    assert found == [NEW, Suppressed("user_gone")]


async def test_a_user_who_opted_in_a_moment_ago_gets_the_notification(services, client, own_redis) -> None:
    recipients, quiet = RecipientResolver(client, own_redis), services.user()
    user = services.users[quiet.user_id]
    services.users[user.id] = user.model_copy(update={"preferences": Preferences(email=False)})
    assert await recipients.resolve(quiet) == Suppressed("opted_out")
    services.users[user.id] = user
    await own_redis.set(f"{USER_CACHE}:{user.id}", TOMBSTONE)
    assert await recipients.resolve(quiet) == NEW


async def test_a_fixed_recipient_is_whom_the_message_names_whatever_the_user_has(services, client, own_redis) -> None:
    quiet = services.user().model_copy(update={"fixed_recipient": True})
    assert await RecipientResolver(client, own_redis).resolve(quiet) == OLD
    assert services.asked == []


async def test_an_older_user_service_makes_no_user_disappear(services, client, own_redis) -> None:
    services.older = True
    assert await RecipientResolver(client, own_redis).resolve(services.user()) == OLD


def _template(code: str) -> TemplateInfo:
    return TemplateInfo(
        code=code, version=1, language="en", serves_email=True, serves_push=False, subject=code, text="x"
    )


async def test_templates_are_fetched_together_up_to_the_limit_of_a_question(services, client) -> None:
    codes = [f"t{number}" for number in range(2 * MAX_WHOLE_TEMPLATES + 1)]
    services.templates = {code: _template(code) for code in codes}
    store = TemplateStore(client)
    compiled = await asyncio.gather(*(store.get(ref(code)) for code in codes for _ in range(2)))
    assert len(set(map(id, compiled))) == len(codes)
    assert sorted(services.asked) == [1, MAX_WHOLE_TEMPLATES, MAX_WHOLE_TEMPLATES]


async def test_each_template_has_its_own_outcome(services, client) -> None:
    services.templates = {"good": _template("good"), "broken": {"code": "broken"}}
    store = TemplateStore(client)
    found = await asyncio.gather(*(store.get(ref(code)) for code in ("good", "gone", "broken")), return_exceptions=True)
    assert [type(one) for one in found[1:]] == [TemplateGone, DependencyUnavailable]
    assert not isinstance(found[0], Exception)


async def test_a_template_service_that_is_older_than_the_question_makes_no_template_disappear(services, client) -> None:
    services.older = True
    with pytest.raises(DependencyUnavailable):
        await TemplateStore(client).get(ref("t"))

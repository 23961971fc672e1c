"""The simulated push service, a sender for it, and its browsers by name."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest

from contracts.recipients import PushToken, WebPushKeys
from delivery.outcomes import Outcome
from devstack.simulators.run import RunningSimulators
from push_service.senders.webpush.sender import WebPushSender
from push_service.settings import PushSettings
from push_service.worker import create_web_push_sender

Subscribe = Callable[[str], Awaitable[PushToken]]


@pytest.fixture
def subscribe(simulators: RunningSimulators) -> Subscribe:
    async def subscription(name: str = "a-browser") -> PushToken:
        async with httpx2.AsyncClient() as http:
            made = (await http.get(f"{simulators.base_url}/api/web-push/subscriptions/{name}")).json()
        return PushToken(provider="web_push", token=made["endpoint"], keys=WebPushKeys(**made["keys"]))

    return subscription


@pytest.fixture
async def sender(simulators: RunningSimulators) -> AsyncIterator[WebPushSender]:
    made = create_web_push_sender(
        PushSettings(
            _env_file=None,
            vapid_private_key_file=simulators.vapid_key,
            vapid_subject="mailto:push@example.com",
            web_push_simulator_url=simulators.base_url,
            web_push_timeout_seconds=0.5,
        )
    )
    yield made
    await made.close()


@pytest.fixture
def send(sender: WebPushSender, attempts_of, subscribe: Subscribe) -> Callable[..., Awaitable[Outcome]]:
    """`await send("a browser's name", title=…)`: one attempt."""

    async def to(name: str = "a-browser", **given: object) -> Outcome:
        return await attempts_of(sender)(device=await subscribe(name), **given)

    return to

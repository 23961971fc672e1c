"""The simulated APNs over real HTTP/2, and a sender for it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from contracts.recipients import PushToken
from delivery.outcomes import Outcome
from devstack.simulators.apns.team import KEY_ID, TEAM_ID, TOPIC
from devstack.simulators.run import RunningSimulators
from push_service.senders.apns.sender import ApnsSender
from push_service.senders.sender import ProviderName
from push_service.settings import PushSettings
from push_service.worker import create_apns_senders

MakeSender = Callable[..., ApnsSender]


@pytest.fixture
async def make_sender(simulators: RunningSimulators) -> AsyncIterator[MakeSender]:
    made: list[ApnsSender] = []

    def make(name: ProviderName = "apns", **changes: object) -> ApnsSender:
        given = {
            "apns_base_url": simulators.apns_url,
            "apns_sandbox_base_url": simulators.apns_sandbox_url,
            "apns_private_key_file": simulators.apns_key,
            "apns_key_id": KEY_ID,
            "apns_team_id": TEAM_ID,
            "apns_topic": TOPIC,
            "apns_timeout_seconds": 0.5,
        }
        senders = create_apns_senders(PushSettings(_env_file=None, **given | changes))
        made.extend(senders.values())
        return senders[name]

    yield make
    for sender in made:
        await sender.close()


@pytest.fixture
def sender(make_sender: MakeSender) -> ApnsSender:
    return make_sender()


@pytest.fixture
def send(sender: ApnsSender, attempts_of) -> Callable[..., Awaitable[Outcome]]:
    """`await send("e410000", title=…)`: one attempt at the device whose token begins so."""

    async def to(begin: str = "abcd", *, by: ApnsSender = sender, **given: object) -> Outcome:
        device = PushToken(provider="apns", token=begin.ljust(64, "a"))
        return await attempts_of(by)(device=device, **given)

    return to

"""What push adds to the engine: devices as targets."""

from uuid import UUID

from contracts.recipients import EmailRecipient, PushRecipient, PushToken, WebPushKeys
from delivery.channel import Envelope
from delivery.outcomes import Permanent, ProviderDown
from push_service.channel import PushChannel
from push_service.senders.sender import Unconfigured
from templating import RenderedPush

CONTENT = RenderedPush("Hello", "", "", "")
ENVELOPE = Envelope(UUID(int=1), "story-1", 5)


def channel() -> PushChannel:
    return PushChannel(Unconfigured(), users=None)


def devices(*tokens: PushToken) -> PushRecipient:
    return PushRecipient(name="Ada", push_tokens=tokens)


def test_every_device_is_a_target_once() -> None:
    phone, tablet = PushToken(token="phone"), PushToken(token="tablet")
    found = channel().targets(devices(phone, tablet, phone))
    assert [target.address for target in found] == [phone, tablet]
    assert {target.name for target in found} == {"Ada"}


def test_a_key_is_the_same_every_time_and_gives_no_token_away() -> None:
    [first] = channel().targets(devices(PushToken(token="a-long-registration-token")))
    [again] = channel().targets(devices(PushToken(token="a-long-registration-token")))
    assert first.key == again.key
    assert len(first.key) == 32
    assert "token" not in first.key


def test_one_token_at_two_providers_is_two_devices() -> None:
    browser = PushToken(provider="web_push", token="same", keys=WebPushKeys(p256dh="p", auth="a"))
    assert len(channel().targets(devices(PushToken(token="same"), browser))) == 2


def test_an_email_address_is_no_device() -> None:
    assert channel().targets(EmailRecipient(name="Ada", email="ada@example.com")) == []


async def test_a_browser_subscription_is_refused_for_now() -> None:
    [target] = channel().targets(devices(PushToken(provider="web_push", token="https://push.example/1")))
    assert await channel().send(CONTENT, target, ENVELOPE) == Permanent("unsupported_provider", "web_push")


async def test_without_an_account_notifications_wait() -> None:
    [target] = channel().targets(devices(PushToken(token="phone")))
    outcome = await channel().send(CONTENT, target, ENVELOPE)
    assert isinstance(outcome, ProviderDown)
    assert outcome.code == "not_configured"

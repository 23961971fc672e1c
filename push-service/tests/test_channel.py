"""What push adds to the engine: devices as targets."""

from types import SimpleNamespace
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from chassis.errors import DependencyUnavailable
from contracts.recipients import ApnsEnvironment, EmailRecipient, PushRecipient, PushToken, WebPushKeys
from contracts.users import DeadPushToken
from delivery.channel import DeliveryContext
from delivery.outcomes import AccountRefused, Permanent, Sent
from push_service.channel import PushChannel
from push_service.senders.sender import Unconfigured
from templating import RenderedPush

CONTENT = RenderedPush("Hello", "", "", "")
VARIABLES = {"fcm": "FCM_SERVICE_ACCOUNT_FILE", "web_push": "VAPID_PRIVATE_KEY", "apns": "APNS_PRIVATE_KEY"}
SENDERS = {provider: Unconfigured(variable) for provider, variable in VARIABLES.items()}
SENDERS["apns_sandbox"] = Unconfigured("APNS_PRIVATE_KEY")
CONTEXT = DeliveryContext(UUID(int=1), "story-1", 5)


def channel(apns_environment: ApnsEnvironment = "production") -> PushChannel:
    return PushChannel(SENDERS, users=None, apns_environment=apns_environment)


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


@pytest.mark.parametrize(("provider", "variable"), VARIABLES.items())
async def test_without_an_account_a_providers_devices_wait_and_keep_no_others_waiting(provider, variable) -> None:
    [target] = channel().targets(devices(PushToken(provider=provider, token="a-device")))
    outcome = await channel().send(CONTENT, target, CONTEXT)
    assert outcome == AccountRefused("not_configured", f"{variable} is not set", affects_all=False)


@pytest.mark.parametrize("default", ["production", "sandbox"])
def test_a_device_goes_to_its_environment_and_one_without_any_to_the_default(default: ApnsEnvironment) -> None:
    push = channel(default)
    names = {"production": frozenset({"apns"}), "sandbox": frozenset({"apns_sandbox"})}
    for environment, expected in (*names.items(), (None, names[default])):
        [target] = push.targets(devices(PushToken(provider="apns", token="ab" * 32, environment=environment)))
        assert push.providers_for(target) == expected
    [phone] = push.targets(devices(PushToken(token="phone")))
    assert push.providers_for(phone) == {"fcm"}


def test_a_device_whose_environment_was_corrected_is_the_same_delivery() -> None:
    apple = PushToken(provider="apns", token="ab" * 32)
    [first] = channel().targets(devices(apple))
    [then] = channel().targets(devices(apple.model_copy(update={"environment": "sandbox"})))
    assert first.key == then.key


class UserService:
    """Answers a removal with `answer`, or raises it."""

    def __init__(self, answer: int | Exception) -> None:
        self._answer = answer
        self.paths: list[str] = []
        self.reports: list[DeadPushToken] = []

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        self.paths.append(path)
        self.reports.append(DeadPushToken.model_validate_json(body))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer, b""


async def recorded(users: UserService, outcome: Permanent | Sent) -> list[dict]:
    push = PushChannel(SENDERS, users, apns_environment="production")
    [target] = push.targets(devices(PushToken(token="phone")))
    with capture_logs() as logs:
        await push.act_on_outcome(
            SimpleNamespace(user_id=UUID(int=7), fixed_recipient=False), target, outcome, age_seconds=2.5
        )
    return logs


@pytest.mark.parametrize("answer", [DependencyUnavailable(), 404, 422])
async def test_a_user_service_that_does_not_forget_a_device_is_noted_and_stops_nothing(answer) -> None:
    [line] = await recorded(UserService(answer), Permanent("invalid_token", dead_recipient=True))
    assert line["event"] == "push.token_not_removed"
    assert "phone" not in str(line)


@pytest.mark.parametrize("outcome", [Sent("n"), Permanent("sender_mismatch"), Permanent("rejected")])
async def test_only_a_dead_device_is_forgotten(outcome) -> None:
    users = UserService(200)
    assert await recorded(users, outcome) == []
    assert users.paths == []


async def test_the_user_service_hears_how_long_ago_the_provider_was_called() -> None:
    """So that it keeps a device that was registered again meanwhile."""
    users = UserService(200)
    await recorded(users, Permanent("invalid_token", dead_recipient=True))
    assert users.reports == [DeadPushToken(token="phone", age_seconds=2.5)]

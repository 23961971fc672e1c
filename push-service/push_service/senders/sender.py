"""The interface of a push provider, and which provider a device has."""

from typing import Literal, Protocol, get_args

from contracts.recipients import ApnsEnvironment, PushToken
from delivery.channel import DeliveryContext
from delivery.outcomes import AccountRefused, Outcome
from templating import RenderedPush

# The names that reports, holds and metrics have. Apple's environments are two providers, each with its own connection and
# breaker: a key that Apple restricts to one environment, or trouble in the sandbox, must not stop the other one.
ProviderName = Literal["fcm", "web_push", "apns", "apns_sandbox"]
PROVIDER_NAMES: tuple[ProviderName, ...] = get_args(ProviderName)


def provider_of(device: PushToken, default: ApnsEnvironment) -> ProviderName:
    """`default`: the environment of Apple's devices that name none."""
    if device.provider != "apns":
        return device.provider
    return "apns_sandbox" if (device.environment or default) == "sandbox" else "apns"


class NotConfigured(Exception):
    """There is no account at the provider."""


class Sender(Protocol):
    async def send(self, content: RenderedPush, device: PushToken, context: DeliveryContext) -> Outcome:
        """One attempt for one device. Raises nothing."""

    async def check(self) -> None:
        """For health checks, without a call to the provider. Raises if nothing can be sent."""

    async def close(self) -> None: ...


class Unconfigured:
    """Replaces a provider without an account: its devices wait, without spending attempts, until `variable` is set.

    The breaker must not count this: if the breakers of all providers in use were open, the worker would take no messages at
    all, not even for other providers.
    """

    def __init__(self, variable: str) -> None:
        self._variable = variable

    async def send(self, content: RenderedPush, device: PushToken, context: DeliveryContext) -> Outcome:  # noqa: ARG002
        return AccountRefused("not_configured", f"{self._variable} is not set", affects_all=False)

    async def check(self) -> None:
        raise NotConfigured

    async def close(self) -> None:
        return

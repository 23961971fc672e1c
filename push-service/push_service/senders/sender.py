"""What the channel asks of a provider."""

from typing import Protocol

from contracts.recipients import PushToken
from delivery.channel import DeliveryContext
from delivery.outcomes import Outcome, Permanent, ProviderDown
from templating import RenderedPush


class NotConfigured(Exception):
    """There is no service account to send with."""


class Sender(Protocol):
    async def send(self, content: RenderedPush, device: PushToken, context: DeliveryContext) -> Outcome:
        """One attempt at one device. Raises nothing."""

    async def check(self) -> None:
        """For health checks, without a call to the provider. Raises when nothing can be sent."""

    async def close(self) -> None: ...


class Unconfigured:
    """Stands in for FCM in development: notifications wait, unspent, until a service account is configured."""

    async def send(self, content: RenderedPush, device: PushToken, context: DeliveryContext) -> Outcome:  # noqa: ARG002
        return ProviderDown("not_configured", "FCM_SERVICE_ACCOUNT_FILE is not set")

    async def check(self) -> None:
        raise NotConfigured

    async def close(self) -> None:
        return


class Unsupported:
    """Stands for every provider that this service does not speak to yet."""

    async def send(self, content: RenderedPush, device: PushToken, context: DeliveryContext) -> Outcome:  # noqa: ARG002
        return Permanent("unsupported_provider", device.provider)

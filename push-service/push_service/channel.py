"""Push for the delivery engine: one target for each device. The user service is informed of dead devices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal
from uuid import UUID

import structlog

from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient
from contracts.messages import NotificationMessage
from contracts.recipients import ApnsEnvironment, EmailRecipient, PushRecipient, PushToken, device_fingerprint
from contracts.users import DeadPushToken
from delivery.channel import Completed, DeliveryContext, Target
from delivery.outcomes import Outcome, Permanent
from push_service.senders.sender import PROVIDER_NAMES, ProviderName, Sender, provider_of
from templating import CompiledTemplate, RenderedPush

log = structlog.get_logger()

_PROVIDERS = {name: frozenset((name,)) for name in PROVIDER_NAMES}


class PushChannel:
    """The push channel for the engine. It is its own session, too."""

    name: Literal["push"] = "push"
    suppression_list = None  # the user service removes dead devices, so they are not targets any more

    def __init__(
        self, senders: Mapping[ProviderName, Sender], users: ServiceClient, *, apns_environment: ApnsEnvironment
    ) -> None:
        """`apns_environment`: that of Apple's devices that name none."""
        self._senders = senders
        self._users = users
        self._apns_environment: ApnsEnvironment = apns_environment

    def targets(self, recipient: EmailRecipient | PushRecipient) -> Sequence[Target[PushToken]]:
        if not isinstance(recipient, PushRecipient):
            return []
        found = {_key(device): Target(_key(device), recipient.name, device) for device in recipient.push_tokens}
        return list(found.values())

    def render(self, template: CompiledTemplate, message: NotificationMessage) -> RenderedPush:
        rendered = template.render_push(message.variables)
        push = message.overrides and message.overrides.push
        return replace(rendered, image=push.image) if push and push.image else rendered

    async def complete(self, content: RenderedPush, message: NotificationMessage) -> Completed[RenderedPush]:  # noqa: ARG002
        """A push message refers to nothing else."""
        return Completed(content, lambda: None)

    def providers_for(self, target: Target[PushToken]) -> frozenset[str]:
        return _PROVIDERS[self._provider(target.address)]

    async def open_session(self, provider: str) -> "PushChannel":  # noqa: ARG002 - the device names it again
        """Opens nothing: the provider's client keeps connections that carry many calls."""
        return self

    def close(self) -> None:
        """Does nothing: there is no connection to return."""

    async def send(self, content: RenderedPush, target: Target[PushToken], context: DeliveryContext) -> Outcome:
        device = target.address
        return await self._senders[self._provider(device)].send(content, device, context)

    async def was_taken(self, message: NotificationMessage) -> bool:  # noqa: ARG002
        """No provider reports anything."""
        return False

    async def act_on_outcome(
        self, message: NotificationMessage, target: Target[PushToken], outcome: Outcome, *, age_seconds: float
    ) -> None:
        match outcome:
            # A fixed recipient's devices belong to no user.
            case Permanent(dead_recipient=True) if not message.fixed_recipient:
                await self._remove(message.user_id, DeadPushToken(token=target.address.token, age_seconds=age_seconds))

    def _provider(self, device: PushToken) -> ProviderName:
        return provider_of(device, self._apns_environment)

    async def _remove(self, user_id: UUID, dead: DeadPushToken) -> None:
        """Not repeated after a failure: the device's next notification gets the same response and tries again."""
        body = dead.model_dump_json().encode()
        try:
            status, _ = await self._users.post(f"/internal/users/{user_id}/push-tokens/remove", body)
        except DependencyUnavailable as error:
            log.warning("push.token_not_removed", reason=error.message)
            return
        if status == 200:
            log.info("push.token_removed")
        else:
            log.warning("push.token_not_removed", reason=f"HTTP {status}")


def _key(device: PushToken) -> str:
    kind = device.provider if device.kind == "token" else f"{device.provider} {device.kind}"
    return device_fingerprint(kind, device.token)

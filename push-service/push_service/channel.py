"""What push adds to the delivery engine: one target for each device. The user service learns of dead devices."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Literal
from uuid import UUID

import structlog

from chassis.http.client import DependencyUnavailable, ServiceClient
from contracts.messages import NotificationMessage
from contracts.recipients import EmailRecipient, PushRecipient, PushToken
from contracts.users import DeadPushToken
from delivery.channel import DeliveryContext, Target
from delivery.outcomes import Outcome, Permanent
from push_service.senders.fcm.sender import Sender, Unsupported
from templating import CompiledTemplate, RenderedPush

log = structlog.get_logger()

KEY_CHARACTERS = 32  # 128 bits: no two devices of a person share a key


class PushChannel:
    """Push, as the engine sees it; its own session too."""

    name: Literal["push"] = "push"
    suppression_list = None  # the user service forgets dead devices: they are no targets any more

    def __init__(self, fcm: Sender, users: ServiceClient) -> None:
        self._fcm = fcm
        self._others = Unsupported()
        self._users = users

    def targets(self, recipient: EmailRecipient | PushRecipient) -> Sequence[Target[PushToken]]:
        if not isinstance(recipient, PushRecipient):
            return []
        found = {_key(device): Target(_key(device), recipient.name, device) for device in recipient.push_tokens}
        return list(found.values())

    def render(self, template: CompiledTemplate, message: NotificationMessage) -> RenderedPush:
        return template.render_push(message.variables)

    async def open_session(self) -> "PushChannel":
        """Nothing is in hand before: the provider's client keeps connections that carry many calls."""
        return self

    def close(self) -> None:
        """There is nothing to give back."""

    async def send(self, content: RenderedPush, target: Target[PushToken], context: DeliveryContext) -> Outcome:
        device = target.address
        sender = self._fcm if device.provider == "fcm" else self._others
        return await sender.send(content, device, context)

    async def record_outcome(self, message: NotificationMessage, target: Target[PushToken], outcome: Outcome) -> None:
        match outcome:
            case Permanent(dead_recipient=True):
                await self._remove(message.user_id, target.address.token)

    async def _remove(self, user_id: UUID, token: str) -> None:
        """Not repeated when it fails: the device's next notification meets the same answer and asks again."""
        body = DeadPushToken(token=token).model_dump_json().encode()
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
    return sha256(f"{device.provider}:{device.token}".encode()).hexdigest()[:KEY_CHARACTERS]

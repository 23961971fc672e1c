"""What a channel adds to the engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from contracts.messages import NotificationMessage
from contracts.recipients import Channel as ChannelName
from contracts.recipients import EmailRecipient, PushRecipient
from delivery.outcomes import Outcome, Suppressed
from templating import CompiledTemplate

Address = TypeVar("Address")
Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Target(Generic[Address]):
    """One recipient of a notification. `key` names the address in the ledger without giving it away."""

    key: str
    name: str
    address: Address


@dataclass(frozen=True, slots=True)
class Envelope:
    """What goes with the content: the same on every attempt, so that a provider can recognise a repeat."""

    notification_id: UUID
    correlation_id: str
    priority: int
    expires_at: datetime | None = None


class DeliveryChannel(Protocol[Address, Content]):
    """E-mail or push, as the engine sees it."""

    @property
    def name(self) -> ChannelName: ...

    def targets(self, recipient: EmailRecipient | PushRecipient) -> Sequence[Target[Address]]:
        """Whom to send to, each with a key that is the same every time."""

    def render(self, template: CompiledTemplate, message: NotificationMessage) -> Content:
        """The content for all targets. Raises templating.TemplateError when it cannot be rendered, now or ever."""

    async def screen(self, target: Target[Address]) -> Suppressed | None:
        """Whether this address must not be sent to, whatever the notification."""

    async def send(self, content: Content, target: Target[Address], envelope: Envelope) -> Outcome:
        """One attempt. Raises nothing: what the provider or the network does is an outcome."""

    async def settle(self, message: NotificationMessage, target: Target[Address], outcome: Outcome) -> None:
        """Called after the outcome is in the ledger: remember a dead address, drop a dead token. May be called again."""

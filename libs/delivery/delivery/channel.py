"""What a channel adds to the engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from chassis.security import Sender
from contracts.messages import NotificationMessage
from contracts.recipients import Channel as ChannelName
from contracts.recipients import EmailRecipient, PushRecipient
from delivery.outcomes import Outcome, ProviderDown
from templating import CompiledTemplate

Address = TypeVar("Address")
Content = TypeVar("Content")
Content_contra = TypeVar("Content_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Target(Generic[Address]):
    """One recipient of a notification. `key` names the address in the ledger without giving it away.

    `fingerprint` names it in the channel's suppression list, if it has one.
    """

    key: str
    name: str
    address: Address
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryContext:
    """What goes with the content: the same on every attempt, so that a provider can recognise a repeat.

    `sender` is for e-mail.
    """

    notification_id: UUID
    correlation_id: str
    priority: int
    expires_at: datetime | None = None
    sender: Sender | None = None


class NotReady(Exception):
    """The provider cannot be reached, or turns our account away: nothing was sent."""

    def __init__(self, outcome: ProviderDown) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class Session(Protocol[Address, Content_contra]):
    """A provider that is ready to take what one notification sends."""

    async def send(self, content: Content_contra, target: Target[Address], context: DeliveryContext) -> Outcome:
        """One call. Raises nothing: what the provider or the network does is an outcome."""

    def close(self) -> None:
        """Gives back what was not used."""


class DeliveryChannel(Protocol[Address, Content]):
    """E-mail or push, as the engine sees it."""

    @property
    def name(self) -> ChannelName: ...

    @property
    def suppression_list(self) -> str | None:
        """The table in the ledger's database whose `fingerprint`s must not be sent to; None: the channel has none."""

    def targets(self, recipient: EmailRecipient | PushRecipient) -> Sequence[Target[Address]]:
        """Whom to send to, each with a key that is the same every time."""

    def render(self, template: CompiledTemplate, message: NotificationMessage) -> Content:
        """The content for all targets. Raises templating.TemplateError when it cannot be rendered, now or ever."""

    async def open_session(self) -> Session[Address, Content]:
        """A connection in hand, where the provider needs one. Raises NotReady."""

    async def record_outcome(self, message: NotificationMessage, target: Target[Address], outcome: Outcome) -> None:
        """Called after the outcome is in the ledger: remember a dead address, drop a dead token. May be called again."""

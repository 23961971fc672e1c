"""The interface between the engine and a channel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from chassis.security import Sender
from contracts.messages import NotificationMessage
from contracts.overrides import Overrides
from contracts.recipients import Channel as ChannelName
from contracts.recipients import EmailRecipient, PushRecipient
from contracts.unsubscribing import Unsubscription
from delivery.outcomes import Outcome, ProviderDown
from templating import CompiledTemplate

Address = TypeVar("Address")
Content = TypeVar("Content")
Content_contra = TypeVar("Content_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Target(Generic[Address]):
    """One recipient of a notification. `key` identifies the address in the ledger without revealing it.

    `fingerprint` identifies it in the channel's suppression list, if the channel has one. `domain`: the recipient's mail
    domain in its normal form; None if the channel has none, or if the address is not valid.
    """

    key: str
    name: str
    address: Address
    fingerprint: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryContext:
    """The data that goes with the content. It is the same in every attempt, so that a provider can recognise a repetition.

    Only e-mail uses `sender`, `purpose` (of a template that is not transactional) and `unsubscribing` (the user and the
    purpose that its links unsubscribe from; None if the recipient is no user). `overrides`: what the caller changed in the
    message.
    """

    notification_id: UUID
    correlation_id: str
    priority: int
    expires_at: datetime | None = None
    sender: Sender | None = None
    unsubscribing: Unsubscription | None = None
    overrides: Overrides | None = None
    purpose: str | None = None


class NotReady(Exception):
    """The provider cannot be reached, or refuses our account: nothing was sent."""

    def __init__(self, outcome: ProviderDown) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class AttachmentGone(Exception):
    """The gateway has deleted an attachment: the notification can never be sent as requested."""


@dataclass(frozen=True, slots=True)
class Completed(Generic[Content]):
    """Content with everything that its message refers to. `free` frees its memory; it is called once."""

    content: Content
    free: Callable[[], None]


class Session(Protocol[Address, Content_contra]):
    """One provider, ready to accept the calls of one notification."""

    async def send(self, content: Content_contra, target: Target[Address], context: DeliveryContext) -> Outcome:
        """Makes one call. Raises nothing: every error of the provider or the network is an outcome."""

    def close(self) -> None:
        """Returns an unused connection."""


class DeliveryChannel(Protocol[Address, Content]):
    """E-mail or push, as the engine sees it."""

    @property
    def name(self) -> ChannelName: ...

    @property
    def suppression_list(self) -> str | None:
        """The table in the ledger's database that lists the `fingerprint`s to suppress; None: the channel has none."""

    def targets(self, recipient: EmailRecipient | PushRecipient) -> Sequence[Target[Address]]:
        """The targets to send to. The key of a target is the same every time."""

    def render(self, template: CompiledTemplate, message: NotificationMessage) -> Content:
        """The content for all targets. Raises templating.TemplateError when it can never be rendered."""

    async def complete(self, content: Content, message: NotificationMessage) -> Completed[Content]:
        """Adds what `message.email` asks for; called only if it asks for something.

        Raises AttachmentGone, or Unavailable while the content cannot be fetched.
        """

    def providers_for(self, target: Target[Address]) -> frozenset[str]:
        """The names of the providers that can deliver to the target."""

    async def open_session(self, provider: str) -> Session[Address, Content]:
        """Opens a connection to the provider, where it needs one. Raises NotReady."""

    async def was_taken(self, message: NotificationMessage) -> bool:
        """Whether a provider has reported anything about it: then it has the message. Asked about ambiguous deliveries only.

        Raises Unavailable.
        """

    async def act_on_outcome(
        self, message: NotificationMessage, target: Target[Address], outcome: Outcome, *, age_seconds: float
    ) -> None:
        """Called after the outcome is in the ledger: stores a dead address, or removes a dead token. May be called again.

        `age_seconds`: how long ago the attempt began.
        """

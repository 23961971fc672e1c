"""The span around a provider call: the only one that leaves the system, so no header goes with it."""

from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind

from chassis.tracing import UNTRACED, Tracing, failed, span
from contracts.recipients import Channel
from delivery.channel import DeliveryContext
from delivery.outcomes import Ambiguous, Outcome, Permanent, ProviderDown, RetryLater


def sending(
    tracing: Tracing, channel: Channel, context: DeliveryContext, *, attempt: int
) -> AbstractContextManager[Span]:
    """`send email` or `send push`: the `attempt`-th of a notification, to one recipient, who is not named."""
    if tracing.tracer is None:
        return UNTRACED
    attributes: dict[str, str | int] = {
        "messaging.message.id": str(context.notification_id),
        "notification.type": channel,
        "notification.attempt": attempt,
    }
    return span(tracing.tracer, f"send {channel}", SpanKind.CLIENT, attributes)


def tell(begun: Span, outcome: Outcome) -> None:
    """Writes the outcome, and its code when it is an error; never the provider's words, which may hold an address."""
    if not begun.is_recording():
        return
    begun.set_attribute("notification.outcome", type(outcome).__name__)
    if isinstance(outcome, RetryLater | Permanent | Ambiguous | ProviderDown):
        failed(begun, outcome.code)

"""The call of a provider: its span, and the simulated session for notifications of test keys.

The provider call is the only call that leaves the system, so no trace header goes with it.
"""

from contextlib import AbstractContextManager
from typing import Any

from opentelemetry.trace import Span, SpanKind

from chassis.observability.tracing import UNTRACED, Tracing, failed, span
from contracts.recipients import Channel
from delivery.channel import DeliveryContext, Target
from delivery.outcomes import Ambiguous, Outcome, Permanent, ProviderDown, RetryLater, Sent


def sending(
    tracing: Tracing, channel: Channel, context: DeliveryContext, *, attempt: int
) -> AbstractContextManager[Span]:
    """Span `send email` or `send push`: attempt number `attempt` at one recipient, whom the span does not name."""
    if tracing.tracer is None:
        return UNTRACED
    attributes: dict[str, str | int] = {
        "messaging.message.id": str(context.notification_id),
        "notification.type": channel,
        "notification.attempt": attempt,
    }
    return span(tracing.tracer, f"send {channel}", SpanKind.CLIENT, attributes)


def record_outcome(begun: Span, outcome: Outcome) -> None:
    """Sets the outcome on the span, and the code of an error; never the provider's text, which may contain an address."""
    if not begun.is_recording():
        return
    begun.set_attribute("notification.outcome", type(outcome).__name__)
    if isinstance(outcome, RetryLater | Permanent | Ambiguous | ProviderDown):
        failed(begun, outcome.code)


# One of these words in the recipient's address or device token chooses the outcome.
OUTCOMES: dict[str, Outcome] = {
    "simulate-bounce": Permanent("simulated_bounce"),
    "simulate-temporary": RetryLater("simulated_temporary"),
    "simulate-no-answer": Ambiguous("simulated_no_answer"),
}


class SimulatedSession:
    """For notifications of test keys: every step runs, but no provider is called.

    It accepts everything, except for the recipients in `OUTCOMES`. It never reports an address or a device as dead.
    """

    async def send(self, content: object, target: Target[Any], context: DeliveryContext) -> Outcome:  # noqa: ARG002 - a session's
        address = target.address if isinstance(target.address, str) else target.address.token
        for word, outcome in OUTCOMES.items():
            if word in address.lower():
                return outcome
        return Sent(f"simulated-{context.notification_id}")

    def close(self) -> None:
        """Does nothing: there is no connection to return."""

"""Outcomes for what was sent with a test key: the whole path runs, and no provider hears of it.

What becomes of a delivery stands in the recipient's address or device token, anywhere in it.
"""

from typing import Any

from delivery.channel import DeliveryContext, Target
from delivery.outcomes import Ambiguous, Outcome, Permanent, RetryLater, Sent

OUTCOMES: dict[str, Outcome] = {
    "simulate-bounce": Permanent("simulated_bounce"),
    "simulate-temporary": RetryLater("simulated_temporary"),
    "simulate-no-answer": Ambiguous("simulated_no_answer"),
}


class SimulatedSession:
    """Takes everything, but for the recipients of `OUTCOMES`. Nobody is told that an address or a device is dead."""

    async def send(self, content: object, target: Target[Any], context: DeliveryContext) -> Outcome:  # noqa: ARG002 - a session's
        address = target.address if isinstance(target.address, str) else target.address.token
        for word, outcome in OUTCOMES.items():
            if word in address.lower():
                return outcome
        return Sent(f"simulated-{context.notification_id}")

    def close(self) -> None:
        """There is nothing to give back."""

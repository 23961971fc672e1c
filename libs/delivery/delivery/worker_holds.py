"""The holds that this worker knows. The gateway answers when its list changes."""

from uuid import UUID

import structlog
from pydantic import TypeAdapter

from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from contracts.holds import HoldRules, Holds
from contracts.messages import NotificationMessage

log = structlog.get_logger()

PAUSE_SECONDS = 0.5  # between an answer and the next question
# The breaker's pause: a gateway that is up again is asked at once, because a hold must be known within a second.
GATEWAY_BREAKER_SECONDS = 1.0
# The pause of a delivery that waits in the ledger because of a hold. A shorter one means more trips through the queue for
# nothing, a longer one sends it later after the hold. What waits for a held provider is due as soon as that is released.
HELD_SECONDS = 240.0
_RULES = TypeAdapter(Envelope[HoldRules])


class WorkerHolds:
    """`gateway`: the client of the gateway; None: nothing is ever held. While the gateway is down, the last list counts."""

    def __init__(self, gateway: ServiceClient | None = None) -> None:
        self._gateway = gateway
        self._rules = HoldRules()
        self._holds = Holds()
        self._digest = ""  # of the last answer
        self._gateway_is_down = False

    async def refresh(self) -> int:
        """Fetches the list. The gateway answers when the list changes or after MAX_WAIT_SECONDS; the first time at once."""
        if self._gateway is None:
            return 0
        try:
            rules = found_of(_RULES, *await self._gateway.get("/internal/holds", {"known": self._digest}))
        except DependencyUnavailable:
            if not self._gateway_is_down:
                log.warning("holds.stale")
            self._digest, self._gateway_is_down = "", True
            return 0
        self._digest, self._gateway_is_down = rules.digest, False
        if rules != self._rules:
            log.info("holds.changed", holds=len(rules.holds))
            self._rules, self._holds = rules, Holds(rules.holds)
        return 0

    @property
    def providers(self) -> frozenset[str]:
        """The providers that are held."""
        return self._holds.providers

    def standing_hold(self, message: NotificationMessage) -> UUID | None:
        """The standing hold of this message: one that has not ended."""
        return self._holds.standing_hold(message.caller, message.notification_type, message.template.code)

    def hold_in_force(self, message: NotificationMessage) -> UUID | None:
        """The hold because of which the message goes back to the gateway: a standing one, or one that recalls it."""
        return self.standing_hold(message) or self._holds.recalling_hold(
            message.caller, message.notification_type, message.template.code, published_at=message.queued_at
        )

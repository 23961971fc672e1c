"""Asks a push worker whether FCM knows a registration token. Only the push service has an account at FCM.

Without an answer the token is registered: the first notification shows whether it works.
"""

import structlog
from pydantic import TypeAdapter

from chassis.errors import DependencyUnavailable, field_error
from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from contracts.push_tokens import INVALID_TOKEN, SENDER_MISMATCH, PushTokenFinding, PushTokenQuestion

log = structlog.get_logger()

REFUSALS = {
    INVALID_TOKEN: "is a registration token that FCM does not know, or not any more: take the app's current one",
    SENDER_MISMATCH: "is a registration token of another Firebase project",
}
_FINDING = TypeAdapter(Envelope[PushTokenFinding])


class TokenValidation:
    """The worker answers within two seconds, and `workers` waits a little longer. After many waits in vain its breaker
    opens: then tokens are accepted unchecked, without a wait."""

    def __init__(self, workers: ServiceClient) -> None:
        self._workers = workers

    async def check(self, token: str, *, field: str) -> None:
        """Raises a 422 about `field` if FCM refuses the token."""
        body = PushTokenQuestion(token=token).model_dump_json().encode()
        try:
            finding = found_of(_FINDING, *await self._workers.post("/internal/push-tokens/validate", body))
        except DependencyUnavailable as error:
            log.warning("push_token.not_validated", reason=error.message)
            return
        if finding.verdict in REFUSALS:
            log.info("push_token.refused", verdict=finding.verdict)
            raise field_error(field, REFUSALS[finding.verdict])

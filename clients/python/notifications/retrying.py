"""When a request is sent again, and after which pause."""

import random
from dataclasses import dataclass

import httpx2

from notifications.errors import ApiError, ConnectionFailed

# Statuses of a server that is busy or starting, or of a proxy that does not reach it.
TEMPORARY_STATUSES = frozenset({429, 502, 503, 504})
# The request itself is at fault; the next attempt would end the same way.
LASTING_ERRORS = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Pauses between attempts, in seconds. They double from `first_pause` to `longest_pause`.

    They are shortened at random by up to a half, so that clients that failed together do not return together.

    A server's `Retry-After` is waited for. If it is longer than `longest_pause`, the error is raised at once.
    """

    max_retries: int = 4
    first_pause: float = 0.5
    longest_pause: float = 30.0

    def pause_after(self, failure: ApiError | ConnectionFailed, attempt: int) -> float | None:
        """The pause after the `attempt`th attempt (from 1) failed; None: give up."""
        if attempt > self.max_retries or not _is_temporary(failure):
            return None
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        own = min(self.longest_pause, self.first_pause * 2.0 ** (attempt - 1)) * spread
        requested = failure.retry_after if isinstance(failure, ApiError) else None
        if requested is None:
            return own
        return None if requested > self.longest_pause else max(own, requested)


def _is_temporary(failure: ApiError | ConnectionFailed) -> bool:
    if isinstance(failure, ConnectionFailed):
        return not isinstance(failure.__cause__, LASTING_ERRORS)
    return failure.status in TEMPORARY_STATUSES

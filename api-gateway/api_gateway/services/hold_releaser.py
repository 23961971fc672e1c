"""Releases or cancels the held notifications of holds that have ended."""

import structlog

from api_gateway.repositories import held_rows
from api_gateway.repositories.held_rows import EndedHold
from api_gateway.services.known_holds import KnownHolds
from api_gateway.services.metrics import GatewayMetrics
from chassis.postgres.database import Database
from contracts.status import Status

log = structlog.get_logger()

# Rows of a hold that a process releases or cancels in one turn. About as many as a relay publishes meanwhile: other due rows
# do not wait behind all that was held.
PIECE = 500
SKIPPED_TURNS = 9  # of ten, while there is nothing to do


class HoldReleaser:
    """Releases or cancels the rows of holds that have ended, in pieces. Every gateway runs one; a piece is one transaction.

    It looks for held rows, not for holds that this process ended: so no row is left, whichever process died.
    """

    def __init__(self, database: Database, metrics: GatewayMetrics, known: KnownHolds) -> None:
        self._database = database
        self._metrics = metrics
        self._known = known
        self._turns_to_skip = 0

    async def run_once(self) -> int:
        """Looks at every turn while a hold is in force or rows were left, otherwise at every tenth."""
        if self._turns_to_skip and not self._known.any_in_force:
            self._turns_to_skip -= 1
            return 0
        async with self._database.begin() as connection:
            found = await held_rows.ended(connection)
        self._turns_to_skip = 0 if found or self._known.any_in_force else SKIPPED_TURNS
        for one in found:
            number = await (self._cancel if one.cancelled else self._release)(one)
            if number:
                event = "holds.cancelled" if one.cancelled else "holds.released"
                log.info(event, hold_id=str(one.id), notifications=number)
        return 0  # the next piece after a pause, see PIECE

    async def _release(self, one: EndedHold) -> int:
        async with self._database.begin() as connection:
            return await held_rows.release(connection, one, limit=PIECE)

    async def _cancel(self, one: EndedHold) -> int:
        async with self._database.begin() as connection:
            channels = await held_rows.cancel(connection, one, limit=PIECE)
        self._metrics.count_transitions((channel, Status.CANCELLED) for channel in channels)
        return len(channels)

"""The result on each device of a notification that goes to several, for the report."""

from collections.abc import Mapping

from contracts.messages import MAX_DEVICE_RESULTS, DeviceResult
from delivery.ledger import AlreadyFinished, NotOwned


def device_results(states: Mapping[str, AlreadyFinished | NotOwned]) -> tuple[DeviceResult, ...] | None:
    """The deliveries that have ended, by their key in the ledger; None if the notification has only one.

    A delivery that has ended stays in the list in every later report of the round.
    """
    if len(states) < 2:
        return None
    found = [
        DeviceResult(device=key, status=state.state, provider=state.provider, code=state.code, at=state.ended_at)
        for key, state in states.items()
        if isinstance(state, AlreadyFinished) and state.ended_at is not None
    ]
    return tuple(sorted(found, key=lambda one: one.at)[:MAX_DEVICE_RESULTS])

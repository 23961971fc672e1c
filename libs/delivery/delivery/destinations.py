"""Which deliveries a notification has, and where each of them goes now.

The message names the recipients that the user had when it was accepted; every copy of it names the same ones, and their keys
are the ledger's. So what was sent to an address that the user has changed since is known under the new one too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from delivery.channel import Address, Target


@dataclass(frozen=True, slots=True)
class Destination(Generic[Address]):
    """One delivery. `target` is where it goes now; None: the user took that device away, and none has replaced it.

    `added`: a device beyond those of the message. It gets the notification too, unless that was begun without it.
    """

    key: str
    target: Target[Address] | None
    added: bool = False


def destinations(accepted: Sequence[Target[Address]], current: Sequence[Target[Address]]) -> list[Destination[Address]]:
    """A new address takes the place of the old one, a new device that of one which is gone; what is left over was added."""
    named = {target.key for target in accepted}
    still_there = {target.key: target for target in current if target.key in named}
    newcomers = [target for target in current if target.key not in named]
    found = [
        Destination(one.key, still_there.get(one.key) or (newcomers.pop(0) if newcomers else None)) for one in accepted
    ]
    return [*found, *(Destination(target.key, target, added=True) for target in newcomers)]

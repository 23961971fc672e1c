"""Switches for a whole provider, thrown by a test or through `PUT /api/faults`."""

import asyncio
from dataclasses import dataclass
from typing import Literal

Fault = Literal["down", "stall"]
Provider = Literal["smtp", "fcm"]


@dataclass
class Faults:
    """`down`: turned away at the door. `stall`: messages are taken, answers wait until the switch is thrown back."""

    smtp: Fault | None = None
    fcm: Fault | None = None

    async def stalled(self, provider: Provider) -> None:
        """Returns at once, or when that provider no longer stalls."""
        # A plain field that anybody may set needs no event; an answer that is 20 ms late still is a late answer.
        while getattr(self, provider) == "stall":  # noqa: ASYNC110
            await asyncio.sleep(0.02)

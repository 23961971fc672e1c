"""The webhooks of the simulated e-mail provider, in Postmark's format: what became of a mail after it was taken."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

import httpx2
import structlog

from devstack.simulators import messages

log = structlog.get_logger()

Event = Literal["delivered", "hard", "soft", "complained"]

METADATA = "x-pm-metadata-"
TRIES, PAUSE_SECONDS = 20, 0.5  # while the gateway is down; Postmark goes on for hours
_BOUNCES: Mapping[Event, tuple[str, int, str]] = {
    "hard": ("HardBounce", 1, "smtp;550 5.1.1 The e-mail account does not exist"),
    "soft": ("SoftBounce", 4096, "smtp;552 5.2.2 The mailbox is full"),
    "complained": ("SpamComplaint", 100_001, ""),
}


@dataclass(frozen=True)
class Taken:
    """A mail to one recipient. `id` is the provider's, which the SMTP answer names."""

    recipient: str
    content: bytes
    id: str = field(default_factory=lambda: str(uuid4()))


class Webhooks:
    """`url` has the user name and the password in it, as at Postmark. Empty: no webhook is called."""

    def __init__(self, url: str = "") -> None:
        self._url = url
        self._http: httpx2.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send_later(self, events: tuple[Event, ...], mail: Taken) -> None:
        task = asyncio.create_task(self.send(events, mail))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send(self, events: tuple[Event, ...], mail: Taken) -> None:
        """One after the other; returns when all were taken, or given up."""
        for event in events if self._url else ():
            await self._post(_body(event, mail))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    async def _post(self, body: Mapping[str, object]) -> None:
        self._http = self._http or httpx2.AsyncClient(timeout=5, trust_env=False)
        for _ in range(TRIES):
            try:
                answer = await self._http.post(self._url, json=body)
                if answer.is_success:
                    return
                problem = str(answer.status_code)
            except httpx2.HTTPError as error:
                problem = type(error).__name__
            await asyncio.sleep(PAUSE_SECONDS)
        log.warning("simulator.webhook_given_up", problem=problem)


def _body(event: Event, mail: Taken) -> Mapping[str, object]:
    found = messages.headers(mail.content.partition(b"\r\n\r\n")[0])
    metadata = {name[len(METADATA) :]: value for name, value in found if name.lower().startswith(METADATA)}
    common = {"MessageID": mail.id, "ServerID": 1, "MessageStream": "outbound", "Tag": "", "Metadata": metadata}
    now = datetime.now(UTC).isoformat()
    if event == "delivered":
        details = "smtp;250 2.0.0 OK"
        return {
            "RecordType": "Delivery", "Recipient": mail.recipient, "DeliveredAt": now, "Details": details, **common
        }  # fmt: skip
    kind, code, details = _BOUNCES[event]
    record = "SpamComplaint" if event == "complained" else "Bounce"
    return {
        "RecordType": record, "ID": uuid4().int >> 96, "Type": kind, "TypeCode": code, "Email": mail.recipient,
        "BouncedAt": now, "Details": details, **common,
    }  # fmt: skip

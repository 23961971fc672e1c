"""Subscriptions of connected browsers, and the messages that these browsers have not acknowledged yet."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel

MAX_TTL = 30 * 24 * 3600  # in seconds; a push service may shorten what the sender asked for (RFC 8030, 5.2)
MAX_WAITING = 100  # messages of one subscription; the oldest one is dropped
_NAME = re.compile(r"firefox-[0-9a-f]{32}")


def is_of_a_connected_browser(name: str) -> bool:
    """Whether the last part of an endpoint was given to a real browser, now or earlier."""
    return _NAME.fullmatch(name) is not None


class Message(BaseModel):
    """`data` is the encrypted body in base64url. `expires_at` is Unix time."""

    version: str
    data: str
    topic: str | None
    expires_at: float


class Subscription(BaseModel):
    """`name` is the last part of the endpoint. `key` is the only VAPID key that may send, None for any."""

    name: str
    agent: str
    channel: str
    key: str | None
    waiting: list[Message] = []


class _File(BaseModel):
    subscriptions: list[Subscription] = []


class Mailbox:
    """With a `path`, everything is still there after a restart. `clock` is Unix time."""

    def __init__(self, path: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        kept = _File.model_validate_json(path.read_bytes()) if path and path.exists() else _File()
        self._by_name = {subscription.name: subscription for subscription in kept.subscriptions}

    def find(self, name: str) -> Subscription | None:
        return self._by_name.get(name)

    def of_agent(self, agent: str) -> list[Subscription]:
        return [one for one in self._by_name.values() if one.agent == agent]

    def subscribe(self, agent: str, channel: str, key: str | None) -> Subscription:
        """The same one again if the browser repeats its request."""
        for known in self.of_agent(agent):
            if (known.channel, known.key) == (channel, key):
                return known
        made = Subscription(name=f"firefox-{uuid4().hex}", agent=agent, channel=channel, key=key)
        self._by_name[made.name] = made
        self._write()
        return made

    def unsubscribe(self, agent: str, channel: str) -> None:
        for known in self.of_agent(agent):
            if known.channel == channel:
                del self._by_name[known.name]
        self._write()

    def put(self, subscription: Subscription, data: str, *, ttl: int, topic: str | None) -> Message:
        """Stores a message for `ttl` seconds. It replaces a waiting one with the same topic."""
        message = Message(version=uuid4().hex, data=data, topic=topic, expires_at=self._clock() + min(ttl, MAX_TTL))
        others = [one for one in subscription.waiting if topic is None or one.topic != topic]
        subscription.waiting = [*others, message][-MAX_WAITING:]
        self._write()
        return message

    def waiting(self, subscription: Subscription) -> list[Message]:
        """Oldest first, without the expired ones."""
        now = self._clock()
        return [message for message in subscription.waiting if message.expires_at > now]

    def acknowledge(self, agent: str, channel: str, version: str) -> None:
        for known in self.of_agent(agent):
            if known.channel == channel:
                known.waiting = [message for message in self.waiting(known) if message.version != version]
        self._write()

    def _write(self) -> None:
        """In one step: a crash leaves either the old or the new file. Endpoints are secrets of the browser's user."""
        if self._path is None:
            return
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.touch(mode=0o600)
        draft.write_text(_File(subscriptions=list(self._by_name.values())).model_dump_json())
        draft.replace(self._path)

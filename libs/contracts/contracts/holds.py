"""Holds: the list that gateways send to workers, and the look-up of a notification's hold."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from itertools import product
from uuid import UUID

from pydantic import AwareDatetime

from contracts.recipients import Channel, Contract

MAX_WAIT_SECONDS = 2.0  # below the time-outs of `chassis.http.client`
_Key = tuple[str | None, str | None, str | None]


class HoldRule(Contract):
    """A hold, for the notifications that match every field that is not None; or of a `provider`, which no worker calls while
    it stands.

    `callers`: the names of the held application's keys (`Identity.caller`). `ended_at` None: the hold is standing.
    Otherwise it was cancelled, or released with another template version, and recalls messages: workers give those that
    were published before `ended_at` back to the gateway.
    """

    id: UUID
    template_code: str | None = None
    callers: tuple[str, ...] | None = None
    notification_type: Channel | None = None
    provider: str | None = None
    ended_at: AwareDatetime | None = None


class HoldRules(Contract):
    """The gateway's answer to `GET /internal/holds?known=DIGEST`, oldest first.

    It comes when the list differs from the one with this digest, and at the latest after MAX_WAIT_SECONDS.
    """

    holds: tuple[HoldRule, ...] = ()

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class Holds:
    """Finds the hold of a notification with at most seven look-ups, however many holds there are.

    `providers`: those that are held.
    """

    def __init__(self, rules: Iterable[HoldRule] = ()) -> None:
        self._standing: dict[_Key, UUID] = {}
        self._recalling: dict[_Key, list[tuple[datetime, UUID]]] = {}
        providers: set[str] = set()
        for rule in rules:
            if rule.provider is not None:
                providers |= {rule.provider} if rule.ended_at is None else set()
                continue
            for key in _keys_of(rule):
                if rule.ended_at is None:
                    self._standing.setdefault(key, rule.id)
                else:
                    self._recalling.setdefault(key, []).append((rule.ended_at, rule.id))

        self.providers = frozenset(providers)

    @property
    def any_stands(self) -> bool:
        return bool(self._standing)

    @property
    def any_in_force(self) -> bool:
        """Whether any hold is standing, or recalls messages."""
        return bool(self._standing or self._recalling)

    def standing_hold(self, caller: str | None, channel: str, template_code: str) -> UUID | None:
        """The standing hold of such a notification: one that has not ended."""
        if not self._standing:
            return None
        found = (self._standing.get(key) for key in _fitting(caller, channel, template_code))
        return next((hold for hold in found if hold is not None), None)

    def recalling_hold(
        self, caller: str | None, channel: str, template_code: str, *, published_at: datetime | None
    ) -> UUID | None:
        """The hold that recalls the message: the first one that ended after the message was published."""
        if not self._recalling or published_at is None:
            return None
        after = [
            (ended_at, hold)
            for key in _fitting(caller, channel, template_code)
            for ended_at, hold in self._recalling.get(key, ())
            if ended_at >= published_at
        ]
        return min(after)[1] if after else None


def _keys_of(rule: HoldRule) -> Iterator[_Key]:
    for caller in rule.callers or (None,):
        yield rule.template_code, caller, rule.notification_type


def _fitting(caller: str | None, channel: str, template_code: str) -> Iterator[_Key]:
    """The keys of the holds that match such a notification: each field of a hold may be None, but not all of them."""
    callers = (None,) if caller is None else (caller, None)
    return (key for key in product((template_code, None), callers, (channel, None)) if any(key))

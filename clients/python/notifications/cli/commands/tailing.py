"""`tail`: notifications as they come, and as their states change."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer

from notifications import ConnectionFailed, Notifications, ServerError
from notifications.cli import output
from notifications.cli.commands.reading import ChannelFilter, StatusFilter, TemplateFilter, UserFilter, filters
from notifications.cli.connecting import connect
from notifications.cli.options import AsJson, ProfileName

PAGE = 100  # changes of the newest ones are seen
REMEMBERED = 10_000


def tail(
    status: StatusFilter = None,
    channel: ChannelFilter = None,
    template: TemplateFilter = None,
    user: UserFilter = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=PAGE, help="How many earlier ones first.")] = 10,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two requests.")] = 1.0,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Print notifications as they are accepted and as their states change, until Ctrl-C.

    With --json, one object a line.
    """
    with connect(profile) as client:
        feed = Feed(client, filters(client, status, channel, template, user))
        for notification in feed.newest(lines):
            _print(notification, as_json=as_json)
        while True:
            for notification in _changes(feed):
                _print(notification, as_json=as_json)
            time.sleep(every)


class Feed:
    """What is new since the last request. A notification is new again when its state has changed."""

    def __init__(self, client: Notifications, wanted: dict[str, Any]) -> None:
        self._client, self._wanted = client, wanted
        self._seen: OrderedDict[str, str] = OrderedDict()
        self._began: datetime | None = None

    def newest(self, number: int) -> list[Any]:
        """Oldest first."""
        found = list(islice(self._client.list(**self._wanted, page_size=PAGE), PAGE))
        for notification in found:
            self._remember(notification)
        if found:
            self._began = found[0].created_at
        return found[:number][::-1]

    def changes(self) -> list[Any]:
        """Oldest first."""
        return [each for each in reversed(list(self._recent())) if self._remember(each)]

    def _recent(self) -> Iterator[Any]:
        """The newest page, and more as long as it is new."""
        for index, notification in enumerate(self._client.list(**self._wanted, page_size=PAGE)):
            earlier = self._began is not None and notification.created_at <= self._began
            if index >= PAGE and (earlier or str(notification.notification_id) in self._seen):
                return
            yield notification

    def _remember(self, notification: Any) -> bool:
        """Whether it is news."""
        key = str(notification.notification_id)
        news = bool(self._seen.get(key) != notification.status)
        self._seen[key] = notification.status
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return news


def _changes(feed: Feed) -> list[Any]:
    """The changes; none while the gateway is down: its restart does not end the command."""
    try:
        return feed.changes()
    except (ConnectionFailed, ServerError) as error:
        output.note(f"{error}; trying again")
        return []


def _print(notification: Any, *, as_json: bool) -> None:
    if as_json:
        output.json_line(notification)
        return
    reason = filter(None, (notification.error, notification.error_detail))
    output.line(
        notification.updated_at, output.styled(f"{notification.status}"), notification.notification_type,
        notification.template_code, notification.notification_id, *reason,
    )  # fmt: skip


def add_to(app: typer.Typer) -> None:
    app.command()(tail)

"""Failed notifications by reason, channel and template."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from console.services.advice import Advice, advice_on
from notifications import AsyncNotifications, Channel, Notification

PAGES = 5


@dataclass(frozen=True, slots=True)
class OfTemplate:
    template: str
    number: int
    newest: datetime
    newest_id: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Group:
    reason: str
    channel: str
    number: int
    templates: Sequence[OfTemplate]
    advice: Advice


def reason_of(failed: Notification) -> str:
    return failed.error or "unknown_reason"


def grouped(failed: Iterable[Notification]) -> Sequence[Group]:
    """The largest group first. `failed` is in the API's order, newest first.

    Bounces are grouped by their status code: a full mailbox is not an address that does not exist.
    """
    found: dict[tuple[str, str, Advice], dict[str, list[Notification]]] = defaultdict(lambda: defaultdict(list))
    for one in failed:
        found[reason_of(one), one.notification_type, _advice(one)][one.template_code].append(one)
    groups = [_group(*key, templates) for key, templates in found.items()]
    return sorted(groups, key=lambda group: -group.number)


def _advice(failed: Notification) -> Advice:
    return advice_on(reason_of(failed), failed.error_detail)


def _group(reason: str, channel: str, advice: Advice, templates: dict[str, list[Notification]]) -> Group:
    rows = [
        OfTemplate(template, len(ones), ones[0].created_at, ones[0].notification_id, _words(ones))
        for template, ones in templates.items()
    ]
    rows.sort(key=lambda row: -row.number)
    return Group(reason, channel, sum(row.number for row in rows), rows, advice)


def _words(ones: Sequence[Notification]) -> str | None:
    return next((one.error_detail for one in ones if one.error_detail), None)


@dataclass(frozen=True, slots=True)
class Newest:
    """`complete`: there are no others."""

    rows: Sequence[Notification]
    complete: bool


async def newest(api: AsyncNotifications, channel: Channel | None) -> Newest:
    """The newest failed notifications: up to five pages of a hundred, by the index of their status."""
    rows: list[Notification] = []
    pages = 0
    async for page in api.failed(notification_type=channel).pages():
        rows += page.items
        pages += 1
        if pages == PAGES or not page.meta.has_next:
            return Newest(rows, complete=not page.meta.has_next)
    return Newest(rows, complete=True)


def fitting(failed: Iterable[Notification], reason: str, template: str, kind: str) -> list[str]:
    """The ids of those with this reason, of this kind, and of this template if one is given."""
    return [
        one.notification_id
        for one in failed
        if reason_of(one) == reason and _advice(one).kind == kind and template in {"", one.template_code}
    ]

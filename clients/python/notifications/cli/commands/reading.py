"""`list`, and how notifications are shown in all lists."""

from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any

import typer

from notifications import Notifications, Recipient
from notifications.cli import output
from notifications.cli.connecting import connect, user_id
from notifications.cli.options import AsJson, ChannelName, ProfileName, instant

TITLES = ("CREATED", "STATUS", "CHANNEL", "TEMPLATE", "ID", "USER", "ERROR", "TO")

StatusFilter = Annotated[str | None, typer.Option(help="pending, queued, sent, delivered, failed, …")]
ChannelFilter = Annotated[ChannelName | None, typer.Option()]
TemplateFilter = Annotated[str | None, typer.Option(help="A template's code.")]
UserFilter = Annotated[str | None, typer.Option(help="A user's id, or a contact's external id.")]


def list_notifications(
    status: StatusFilter = None,
    channel: ChannelFilter = None,
    template: TemplateFilter = None,
    user: UserFilter = None,
    to: Annotated[str | None, typer.Option(help="An e-mail address or a device's token, of a user or not.")] = None,
    request_id: Annotated[str | None, typer.Option()] = None,
    held_by: Annotated[str | None, typer.Option(metavar="ID", help="Those that wait because of this hold.")] = None,
    since: Annotated[str | None, typer.Option(help="A time, or a span: 2h is two hours ago.")] = None,
    until: Annotated[str | None, typer.Option(help="A time, or a span.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List notifications, newest first."""
    with connect(profile) as client:
        wanted = filters(client, status, channel, template, user) | {
            "to": to,
            "request_id": request_id,
            "held_by": held_by,
            "created_after": instant(since, "--since"),
            "created_before": instant(until, "--until"),
        }
        found = client.list(**wanted, page_size=min(limit, 100))
        show(islice(found, limit), as_json=as_json)


def filters(
    client: Notifications, status: str | None, channel: str | None, template: str | None, user: str | None
) -> dict[str, Any]:
    return {
        "status": status,
        "notification_type": channel,
        "template_code": template,
        "user_id": user_id(client, user) if user else None,
    }


def show(notifications: Iterable[Any], *, as_json: bool) -> None:
    if as_json:
        output.show_json(list(notifications))
    else:
        output.table(TITLES, map(row, notifications))


def row(notification: Any) -> tuple[object, ...]:
    reason = " ".join(filter(None, (notification.error, notification.error_detail)))
    return (
        notification.created_at, notification.status, notification.notification_type, notification.template_code,
        notification.notification_id, notification.user_id, reason, recipient_text(notification.recipient),
    )  # fmt: skip


def recipient_text(shown: Recipient | None) -> str:
    """Empty if the caller may not know, or it is not known."""
    if shown is None:
        return ""
    devices = f"{shown.devices} device{'s' if shown.devices != 1 else ''}" if shown.devices else None
    return " ".join(filter(None, (shown.name, shown.email, devices, shown.topic)))


def add_to(app: typer.Typer) -> None:
    app.command("list")(list_notifications)

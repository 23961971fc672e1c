"""`send` and `watch`: one notification, from its acceptance to its end."""

from typing import Annotated, Any
from uuid import uuid4

import typer

from notifications import SENT_OR_FINAL, Notifications
from notifications.cli import output
from notifications.cli.connecting import connect, user_id
from notifications.cli.exits import CommandError, ExitCode
from notifications.cli.options import AsJson, ChannelName, Language, ProfileName, Variables, VariablesFile, moment
from notifications.cli.polling import follow_until
from notifications.cli.variables import variables

GOOD_ENDS = {"sent", "delivered"}
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")]


def send(
    template: Annotated[str, typer.Argument(help="The template's code.")],
    to: Annotated[str | None, typer.Option(help="An e-mail address.")] = None,
    user: Annotated[str | None, typer.Option(help="A user's id, or a contact's external id.")] = None,
    device: Annotated[list[str] | None, typer.Option(help="An FCM token; a push goes there. Repeatable.")] = None,
    channel: Annotated[ChannelName | None, typer.Option(help="Default: email, or push with --device.")] = None,
    var: Variables = None,
    vars_file: VariablesFile = None,
    language: Language = None,
    priority: Annotated[int | None, typer.Option(min=1, max=10, help="10 is sent first.")] = None,
    send_at: Annotated[str | None, typer.Option(help="Not before this time.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="Not after this time.")] = None,
    request_id: Annotated[str | None, typer.Option(help="The same id sends nothing twice. Default: a new one.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end.")] = False,
    timeout: Timeout = 60,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Send a notification to an address (--to), a user (--user), or devices (--device)."""
    if sum(map(bool, (to, user, device))) != 1:
        raise CommandError("Give one of --to, --user and --device")
    with connect(profile) as client:
        wanted: dict[str, Any] = {
            "notification_type": channel or ("push" if device else "email"),
            "template_code": template,
            "variables": variables(var or [], vars_file),
            "request_id": request_id or f"notify-{uuid4()}",
            "language": language,
            "priority": priority,
            "send_at": moment(send_at, "--send-at"),
            "expires_at": moment(expires_at, "--expires-at"),
            "user_id": user_id(client, user) if user else None,
            "to": {"email": to} if to else {"push_tokens": device} if device else None,
        }
        accepted = client.send(**{name: value for name, value in wanted.items() if value is not None})
        if wait:
            follow(client, str(accepted.notification_id), timeout, as_json=as_json)
        elif as_json:
            output.show_json(accepted)
        else:
            output.line(output.styled(accepted.status), accepted.notification_id)


def watch(
    notification_id: Annotated[str, typer.Argument(metavar="ID")],
    timeout: Timeout = 300,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Print a notification's steps as they happen, until it has ended."""
    with connect(profile) as client:
        follow(client, notification_id, timeout, as_json=as_json)


def follow(client: Notifications, notification_id: str, timeout: float, *, as_json: bool) -> None:
    """Raises Exit if it did not end well."""
    shown = 0
    for notification in follow_until(
        lambda one: one.status in SENT_OR_FINAL,
        lambda: client.get(notification_id),
        timeout=timeout,
        problem=lambda one: f"{notification_id} is still {one.status} after {timeout:g} s",
    ):
        if not as_json:
            for step in notification.timeline[shown:]:
                output.line(step.at, output.styled(step.status), *filter(None, (step.provider, step.code, step.detail)))
            shown = len(notification.timeline)
    if as_json:
        output.show_json(notification)
    if notification.status not in GOOD_ENDS:
        raise typer.Exit(ExitCode.BAD_OUTCOME)


def add_to(app: typer.Typer) -> None:
    app.command()(send)
    app.command()(watch)

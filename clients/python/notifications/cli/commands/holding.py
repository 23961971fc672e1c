"""`holds`, `hold`, `release` and `cancel-hold`: notifications that wait until somebody decides."""

from itertools import islice
from typing import Annotated, Any

import typer

from notifications import Hold, NotFound, Notifications, PermissionDenied
from notifications.cli import output
from notifications.cli.commands.failures import confirm
from notifications.cli.commands.reading import ChannelFilter
from notifications.cli.connecting import connect
from notifications.cli.options import AsJson, ProfileName, Yes
from notifications.cli.polling import follow_until

TITLES = ("CREATED", "STATUS", "HELD", "WHAT", "REASON", "ID", "BY")
HoldId = Annotated[str, typer.Argument(metavar="ID", help="The hold's id, as `notify holds` prints it.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until nothing is left to release or cancel.")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")]


def holds(
    everything: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 100,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List what is held, newest first: how many notifications wait, and why."""
    with connect(profile) as client:
        found = client.holds.list(standing=None if everything else True, page_size=min(limit, 100))
        listed = list(islice(found, limit))
    if as_json:
        output.show_json(listed)
    else:
        output.table(TITLES, map(_row, listed))


def hold(
    reason: Annotated[str, typer.Option(help="For people: why, and who knows more.")],
    template: Annotated[str | None, typer.Argument(help="A template's code.")] = None,
    channel: ChannelFilter = None,
    application: Annotated[str | None, typer.Option(metavar="ID", help="An application's notifications only.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="Hold this provider instead: smtp, fcm, apns, apns_sandbox, web_push, …")
    ] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Hold the notifications of a template, a channel or an application; what is given together narrows it."""
    with connect(profile) as client:
        made = client.holds.add(
            reason, template_code=template, notification_type=channel, application_id=application, provider=provider
        )
        if template:
            _warn_about(client, template)
    _show(made, as_json=as_json)


def release(
    hold_id: HoldId,
    version: Annotated[int | None, typer.Option(min=1, help="Send this version of the template instead.")] = None,
    active_version: Annotated[bool, typer.Option("--active-version", help="Send the version that is active.")] = False,
    wait: Wait = False,
    timeout: Timeout = 300,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Release a hold: what waits is sent, highest priority first."""
    with connect(profile) as client:
        ended = client.holds.release(hold_id, template_version=version, active_version=active_version or None)
        _show(_followed(client, ended, timeout) if wait else ended, as_json=as_json)


def cancel_hold(
    hold_id: HoldId,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = 300,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Cancel a hold and what waits because of it: none of it is ever sent."""
    with connect(profile) as client:
        held = client.holds.get(hold_id)
        confirm(f"Cancel {held.held:,} notifications of {described(held)}? They are never sent.", yes=yes)
        ended = client.holds.cancel(hold_id)
        _show(_followed(client, ended, timeout) if wait else ended, as_json=as_json)


def described(one: Hold) -> str:
    """What a hold is for, in a few words."""
    parts = {
        "template": one.template_code, "channel": one.notification_type, "application": one.application_id,
        "provider": one.provider,
    }  # fmt: skip
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)


def _warn_about(client: Notifications, template: str) -> None:
    """A mistyped template code holds nothing."""
    try:
        client.templates.get(template)
    except NotFound:
        output.note(f"There is no template {template} now: this holds something only if it was archived")
    except PermissionDenied:
        return


def _followed(client: Notifications, ended: Hold, timeout: float) -> Hold:
    *_, last = follow_until(
        lambda one: one.status not in {"releasing", "cancelling"},
        lambda: client.holds.get(ended.hold_id),
        timeout=timeout,
        problem=lambda one: f"{one.held:,} are still to be finished after {timeout:g} s; it goes on by itself",
    )
    return last


def _show(one: Hold, *, as_json: bool) -> None:
    if as_json:
        output.show_json(one)
        return
    wait = "" if one.provider else f", {one.held:,} {'waits' if one.held == 1 else 'wait'}"
    output.line(output.styled(one.status), one.hold_id, f"({described(one)}{wait})")


def _row(one: Hold) -> tuple[Any, ...]:
    return one.created_at, one.status, one.held, described(one), one.reason, one.hold_id, one.created_by


def add_to(app: typer.Typer) -> None:
    app.command()(holds)
    app.command()(hold)
    app.command()(release)
    app.command("cancel-hold")(cancel_hold)

"""`explain`: would a user get a template now, on which channel and where, and if not, why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, get_args

import typer

from notifications import Device, Hold, InvalidRequest, NotFound, Notifications, PermissionDenied
from notifications.cli import output
from notifications.cli.connecting import connect, user_id
from notifications.cli.exits import ExitCode
from notifications.cli.options import AsJson, ChannelName, Language, ProfileName, Variables, VariablesFile
from notifications.cli.variables import variables

PUSH_PROVIDERS = {"fcm", "apns", "apns_sandbox", "web_push"}


@dataclass(slots=True)
class Verdict:
    """`because` is why it would not be sent; `notes` are what could not be checked, or is worth knowing."""

    channel: str
    to: list[str] = field(default_factory=list)
    because: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def sends(self) -> bool:
        return not self.because


def explain(
    user: Annotated[str, typer.Argument(help="A user's id, or a contact's external id.")],
    template: Annotated[str, typer.Argument(help="The template's code.")],
    channel: Annotated[ChannelName | None, typer.Option(help="Default: both.")] = None,
    language: Language = None,
    var: Variables = None,
    vars_file: VariablesFile = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Say whether a notification would be sent now, to what, and why not. Nothing is sent.

    Ends with 1 if no channel would send it.
    """
    given = variables(var or [], vars_file) if var or vars_file else None
    with connect(profile) as client:
        person = client.users.get(user_id(client, user))
        shown = client.templates.get(template, language=language or person.language)
        verdicts = [
            _verdict(client, person, shown, name, given) for name in get_args(ChannelName) if channel in {None, name}
        ]
        _check_holds(client, template, verdicts)
    if as_json:
        about = {"template": template, "language": shown.language, "version": shown.version, "user_id": person.id}
        output.show_json({**about, "channels": [{**asdict(one), "sends": one.sends} for one in verdicts]})
    else:
        output.line(f"{template} in {shown.language}, version {shown.version}")
        for verdict in verdicts:
            _print(verdict)
    if not any(verdict.sends for verdict in verdicts):
        raise typer.Exit(ExitCode.BAD_OUTCOME)


def _verdict(
    client: Notifications, person: Any, template: Any, channel: ChannelName, given: Mapping[str, Any] | None
) -> Verdict:
    verdict = Verdict(channel)
    if channel not in template.channels:
        verdict.because.append(f"the template has no content for {channel}")
    elif given is not None:
        verdict.because += _render(client, template, channel, given)
    elif template.variables:
        verdict.notes.append(f"needs the variables {', '.join(template.variables)}")
    if not getattr(person.preferences, channel):
        verdict.because.append(f"the user does not want {channel} (opted_out)")
    if channel == "email":
        _check_address(client, person, template, verdict)
    else:
        devices = client.users.devices(person.id)
        verdict.to = [f"{_provider_of(device)} {device.fingerprint}" for device in devices]
        verdict.because += [] if devices else ["the user has no device (no_push_token)"]
    return verdict


def _provider_of(device: Device) -> str:
    """As timelines and holds name it."""
    return "apns_sandbox" if device.environment == "sandbox" else device.provider


def _render(client: Notifications, template: Any, channel: ChannelName, given: Mapping[str, Any]) -> list[str]:
    try:
        client.templates.render(
            template.code, variables=given, language=template.language, version=template.version, channel=channel
        )
    except InvalidRequest as refused:
        return [f"{refused.code}: {problem.field.removeprefix('variables.')}" for problem in refused.problems] or [
            f"{refused.code}: {refused.message}"
        ]
    return []


def _check_address(client: Notifications, person: Any, template: Any, verdict: Verdict) -> None:
    verdict.to = [person.email]
    if template.purpose and template.purpose in person.preferences.unsubscribed:
        verdict.because.append(f"the user has unsubscribed from {template.purpose} (unsubscribed)")
    try:
        found = client.suppressions.get(person.email)
    except NotFound:
        return
    except PermissionDenied:
        verdict.notes.append("the suppression list was not checked: only administrators may read it")
        return
    verdict.because.append(f"the address is suppressed: {found.reason}")


def _check_holds(client: Notifications, template: str, verdicts: Sequence[Verdict]) -> None:
    try:
        standing = list(client.holds.list(standing=True))
        any_may_send = any(hold.application_id for hold in standing) and _is_admin(client)
    except PermissionDenied:
        for verdict in verdicts:
            verdict.notes.append("holds were not checked: this needs the scope notifications:read")
        return
    for verdict in verdicts:
        for hold in standing:
            if hold.provider:
                _check_provider(hold, verdict)
            elif hold.template_code in {None, template} and hold.notification_type in {None, verdict.channel}:
                _hold(hold, verdict, any_may_send=any_may_send)


def _check_provider(hold: Hold, verdict: Verdict) -> None:
    of_devices = {to.partition(" ")[0] for to in verdict.to}
    if hold.provider in of_devices or (verdict.channel == "email" and hold.provider not in PUSH_PROVIDERS):
        verdict.notes.append(f"the provider {hold.provider} is held: {hold.reason}")


def _hold(hold: Hold, verdict: Verdict, *, any_may_send: bool) -> None:
    """`any_may_send`: an administrator asks, and which application would send is not known."""
    if hold.application_id and any_may_send:
        verdict.notes.append(f"held if application {hold.application_id} sends it: {hold.reason}")
    else:
        verdict.because.append(f"it is held: {hold.reason} (hold {hold.hold_id})")


def _is_admin(client: Notifications) -> bool:
    try:
        client.applications.list(page_size=1).page()
    except PermissionDenied:
        return False
    return True


def _print(verdict: Verdict) -> None:
    to = ", ".join(verdict.to)
    if verdict.sends:
        output.line(output.in_style(f"{verdict.channel}: would be sent to {to}", "green"))
    else:
        output.line(output.in_style(f"{verdict.channel}: would not be sent: {'; '.join(verdict.because)}", "red"))
    for note in verdict.notes:
        output.line(f"  {note}")


def add_to(app: typer.Typer) -> None:
    app.command()(explain)

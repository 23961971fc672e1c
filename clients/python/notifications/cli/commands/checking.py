"""`doctor` and `reconcile`: is everything as it should be?"""

import platform
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Annotated, Literal
from urllib.parse import urlsplit

import httpx2
import typer

from notifications import AuthenticationFailed, ChannelTotals, Notifications, NotificationsError, PermissionDenied
from notifications.cli import output, profiles
from notifications.cli.connecting import connect
from notifications.cli.exits import CommandError, ExitCode
from notifications.cli.options import AsJson, ProfileName

CLOCK_SECONDS = 5.0  # both clocks show whole seconds, and the answer takes a while


@dataclass(frozen=True, slots=True)
class Check:
    what: str
    state: Literal["ok", "warning", "problem"]
    detail: str


def doctor(as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Check this machine's set-up, the way to the system, and each part of it. Ends with 1 if there is a problem."""
    checks = list(_checks(profile))
    if as_json:
        output.show_json([asdict(check) for check in checks])
    else:
        output.table(("CHECK", "STATE", "DETAIL"), [(check.what, check.state, check.detail) for check in checks])
    if any(check.state == "problem" for check in checks):
        raise typer.Exit(ExitCode.BAD_OUTCOME)


def _checks(name: str | None) -> Iterator[Check]:
    """Ends at the first thing without which the next ones mean nothing."""
    versions = f"notify {version('notification-sdk')}, Python {platform.python_version()}, httpx2 {version('httpx2')}"
    yield Check("versions", "ok", f"{versions}, {platform.system()}")
    private = profiles.is_private()
    yield Check("profiles", "ok" if private else "warning",
                str(profiles.path()) if private else f"others can read {profiles.path()}: chmod 600")  # fmt: skip
    try:
        profile = profiles.chosen(name)
        client = connect(name)
    except CommandError as error:
        yield Check("login", "problem", error.message)
        return
    with client:
        network = list(_network(profile.url))
        yield from network
        if any(check.state == "problem" for check in network):
            return
        yield from _system(client)
        yield _key(client)


def _network(url: str) -> Iterator[Check]:
    """Name, connection, certificate, clock."""
    url = url.rstrip("/").removesuffix("/api/v1")
    host = urlsplit(url).hostname or ""
    try:
        addresses = sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None)})
    except (OSError, UnicodeError) as error:
        yield Check("dns", "problem", f"{host}: {error}")
        return
    yield Check("dns", "ok", f"{host}: {', '.join(addresses)}")
    began = time.monotonic()
    try:
        answer = httpx2.get(f"{url}/health/live", timeout=10)
    except httpx2.HTTPError as error:
        yield Check("connection", "problem", f"{url}: {type(error).__name__}: {error}")
        return
    milliseconds = (time.monotonic() - began) * 1000
    yield Check(
        "connection", "ok" if answer.is_success else "problem", f"{url}: {answer.status_code} in {milliseconds:.0f} ms"
    )
    yield _clock(answer.headers.get("Date"))


def _clock(date: str | None) -> Check:
    try:
        ahead = time.time() - parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return Check("clock", "warning", "the answer has no date to compare with")
    state: Literal["ok", "warning"] = "ok" if abs(ahead) <= CLOCK_SECONDS else "warning"
    return Check(
        "clock", state, f"this machine is {abs(ahead):.0f} s {'ahead of' if ahead >= 0 else 'behind'} the server"
    )


def _system(client: Notifications) -> Iterator[Check]:
    try:
        health = client.health()
    except NotificationsError as error:
        yield Check("system", "problem", str(error))
        return
    states: dict[str, Literal["ok", "warning"]] = {"healthy": "ok", "degraded": "warning"}
    yield Check("system", states.get(health.status, "problem"), f"{health.service} is {health.status}")
    for name, dependency in sorted(health.dependencies.items()):
        up = dependency.status == "up"
        detail = f"up, {dependency.latency_ms:.0f} ms" if up else f"down: {dependency.error}"
        yield Check(name, "ok" if up else "problem", detail)


def _key(client: Notifications) -> Check:
    try:
        client.list(page_size=1).page()
    except AuthenticationFailed as error:
        return Check("api key", "problem", error.message)
    except PermissionDenied:
        return Check("api key", "ok", "valid, without the scope notifications:read")
    except NotificationsError as error:
        return Check("api key", "problem", str(error))
    return Check("api key", "ok", "valid, may read notifications")


def reconcile(
    hours: Annotated[int, typer.Option(min=1, max=8_760, help="How far back the ledgers are compared.")] = 24,
    recount: Annotated[bool, typer.Option("--recount", help="Count every row. Slow for millions.")] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Prove that every accepted notification is accounted for. Ends with 1 if one is not."""
    with connect(profile) as client:
        proof = client.reconcile(hours=hours, recount=recount)
    ledgers = [channel.ledger for channel in proof.channels.values()]
    if as_json:
        output.show_json(proof)
    else:
        titles = ("CHANNEL", "ACCEPTED", "UNACCOUNTED", "UNFOUNDED", "UNREPORTED", "BY STATUS")
        output.table(titles, [_totals(name, channel) for name, channel in proof.channels.items()])
        if not all(ledgers):
            output.note("?: no worker of the channel answers, so its ledger was not compared")
    if proof.unaccounted or any(ledger and ledger.unfounded for ledger in ledgers):
        raise typer.Exit(ExitCode.BAD_OUTCOME)


def _totals(name: str, channel: ChannelTotals) -> tuple[object, ...]:
    ledger = (channel.ledger.unfounded, channel.ledger.unreported) if channel.ledger else ("?", "?")
    states = " ".join(f"{status}={number}" for status, number in channel.by_status.items() if number)
    return (name, channel.accepted, channel.unaccounted, *ledger, states)


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)
    app.command()(reconcile)

"""`login`, `logout`, `profiles`, `use`."""

import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, cast
from urllib.parse import urlsplit

import typer

from notifications import AuthenticationFailed, Notifications, PermissionDenied, Scope
from notifications.cli import output, profiles
from notifications.cli.exits import CommandError, ExitCode
from notifications.cli.options import AsJson
from notifications.cli.profiles import Profile, Profiles

LOOPBACK = ("localhost", "127.0.0.1", "::1")
SCOPES: Sequence[Scope] = (
    "notifications:read", "notifications:write", "templates:read", "templates:write", "users:read", "users:write",
)  # fmt: skip
Name = Annotated[str, typer.Argument(help="The profile's name.")]


def login(
    url: Annotated[str | None, typer.Option(help="The gateway's address, such as https://notify.example.com")] = None,
    email: Annotated[str | None, typer.Option(help="Log in as this administrator, and make a key.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="A scope of the key that is made. Repeatable.")] = None,
    profile: Annotated[str, typer.Option(help="The name to keep it under.")] = "default",
) -> None:
    """Keep the address of a system and an API key for it, as the current profile.

    The key, or with --email the password, is asked for, or read from standard input if that is no terminal.
    """
    known = profiles.load()
    earlier = known.by_name.get(profile)
    url = (url or (earlier.url if earlier else None) or _asked("URL")).rstrip("/")
    try:
        key = (
            _asked("API key", hidden=True) if email is None else made(url, email, cast("list[Scope]", scope) or SCOPES)
        )
        checked(url, key)
    except ValueError as error:
        raise CommandError(str(error)) from error
    profiles.save(Profiles(profile, {**known.by_name, profile: Profile(url, key)}))
    if urlsplit(url).scheme == "http" and urlsplit(url).hostname not in LOOPBACK:
        output.note(f"Warning: {url} is not encrypted, so others may read the key on its way")
    output.note(f"Logged in to {url}; the profile {profile} is the current one")


def made(url: str, email: str, scopes: Sequence[Scope]) -> str:
    """A new key of a new application. The session ends; the password and its tokens are not kept."""
    password = _asked(f"Password of {email}", hidden=True)
    with Notifications(url, access_token="") as client:
        try:
            client.login(email, password)
        except AuthenticationFailed as error:
            if error.code != "totp_required":
                raise
            client.login(email, password, totp=_asked("Code of your second factor"))
        key = client.api_keys.create(name=f"notify on {socket.gethostname()}"[:200], scopes=scopes)
        client.logout()
        return str(key.key)


def checked(url: str, key: str) -> None:
    """Asks the system. A key without the right to read notifications is a valid key. Raises ValueError for an address that is
    none.
    """
    if not key:
        raise CommandError("There is no API key: type it, or write it to standard input")
    try:
        with Notifications(url, api_key=key) as client:
            client.list(page_size=1).page()
    except AuthenticationFailed as error:
        raise CommandError(f"{url} does not accept this API key: {error.message}", ExitCode.NOT_ALLOWED) from error
    except PermissionDenied:
        return


def _asked(what: str, *, hidden: bool = False) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=hidden, err=True)).strip()
    return sys.stdin.readline().strip()


def logout(
    profile: Annotated[str | None, typer.Argument(help="The profile. Default: the current one.")] = None,
) -> None:
    """Forget a profile and its key. The key itself stays valid."""
    known = profiles.load()
    name = profile or known.current
    rest = without(known.by_name, name)
    current = known.current if known.current in rest else next(iter(rest), "default")
    profiles.save(Profiles(current, rest))
    output.note(f"The profile {name} is forgotten" + (f"; {current} is the current one" if rest else ""))


def without(by_name: Mapping[str, Profile], name: str) -> dict[str, Profile]:
    if name not in by_name:
        raise CommandError(f"There is no profile {name}", ExitCode.NOT_FOUND)
    return {each: profile for each, profile in by_name.items() if each != name}


def use(name: Name) -> None:
    """Make a profile the current one."""
    known = profiles.load()
    without(known.by_name, name)
    profiles.save(replace(known, current=name))
    output.note(f"{name} is the current profile: {known.by_name[name].url}")


def list_profiles(as_json: AsJson = False) -> None:
    """List profiles, without their keys."""
    known = profiles.load()
    rows = [(name, profile.url, name == known.current) for name, profile in sorted(known.by_name.items())]
    if as_json:
        output.show_json([{"name": name, "url": url, "current": current} for name, url, current in rows])
    else:
        output.table(("PROFILE", "URL", ""), [(name, url, "current" if current else "") for name, url, current in rows])


def add_to(app: typer.Typer) -> None:
    app.command()(login)
    app.command()(logout)
    app.command()(use)
    app.command("profiles")(list_profiles)

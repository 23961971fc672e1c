"""The client of a command, and what commands look up with it."""

from uuid import UUID

from notifications import NotFound, Notifications
from notifications.cli import profiles
from notifications.cli.exits import CommandError, ExitCode

TIMEOUT_SECONDS = 30.0  # a batch takes longer than a single call


def connect(profile: str | None) -> Notifications:
    """Raises CommandError if nothing says where the system is, or who calls."""
    chosen = profiles.chosen(profile)
    try:
        return Notifications(chosen.url, api_key=chosen.api_key, timeout=TIMEOUT_SECONDS)
    except ValueError as error:
        raise CommandError(str(error)) from error


def user_id(client: Notifications, name: str) -> str:
    """`name` is an id, or the caller's own name of a contact (its `external_id`)."""
    try:
        return str(UUID(name))
    except ValueError:
        pass
    try:
        return str(client.contacts.get(name).id)
    except NotFound as error:
        raise CommandError(f"There is no contact with the external id {name}", ExitCode.NOT_FOUND) from error

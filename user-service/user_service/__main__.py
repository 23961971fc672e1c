"""`python -m user_service` serves. `migrate`, `create-admin` and other commands prepare the database."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

gc.disable()  # saves a seventh of the import time; chassis.server.run enables it again
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # during the imports Ctrl-C just ends the process

import typer
from pydantic import ValidationError
from sqlalchemy.exc import ProgrammingError

from chassis.errors import ServiceError
from chassis.fields import plain_message
from chassis.observability.metrics import new_registry
from chassis.postgres.database import Database, sqlstate_of
from chassis.redis.client import connect_redis
from chassis.security import RevokedTokens
from chassis.server.run import migrate_database, serve
from chassis.settings import load_settings
from user_service.main import create_app
from user_service.repositories.audit import audit_trail
from user_service.services import admins
from user_service.services.admins import AdminMaker, EnsuredAdmin, ensure_admin
from user_service.services.passwords import Passwords
from user_service.services.sessions import revocations
from user_service.services.signing_keys import StoredKeys
from user_service.services.users import UserLookups
from user_service.settings import ALEMBIC, UserSettings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="The user service.")
UNDEFINED_TABLE = "42P01"
MESSAGES = {
    "created": "Created the administrator {email} ({user_id}).",
    "promoted": "{email} ({user_id}) was a user and is now an administrator with the new password; its sessions have ended.",
    "unlocked": "{email} ({user_id}) is an administrator already; its second factor was removed.",
    "unchanged": "{email} ({user_id}) is an administrator already; nothing was changed.",
}


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Serves if no command is given."""
    if context.invoked_subcommand is None:
        serve(UserSettings, create_app, "user-service")


@app.command()
def migrate() -> None:
    """Migrates the database in DATABASE_URL to the newest revision."""
    migrate_database(load_settings(UserSettings).database_url, ALEMBIC)


@app.command()
def create_admin(
    email: Annotated[str, typer.Option()],
    name: Annotated[str, typer.Option()] = "Administrator",
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input")] = False,
    promote: Annotated[
        bool, typer.Option(help="Make an existing user an administrator, with the new password")
    ] = False,
) -> None:
    """Creates an administrator. If the address has an account already, --promote is needed.

    The password is read from standard input or ADMIN_PASSWORD, or asked for. It is never shown.
    """
    settings = load_settings(UserSettings)
    with _plain_errors():
        person = Person(email, name, _password(from_stdin=password_stdin))
        admin = asyncio.run(_ensure(settings, person, promote=promote))
    typer.echo(MESSAGES[admin.outcome].format(email=email, user_id=admin.user_id))


@app.command()
def clear_totp(email: Annotated[str, typer.Option()]) -> None:
    """Removes the second factor of an administrator who has lost the device and the recovery codes."""
    settings = load_settings(UserSettings)
    with _plain_errors():
        removed = asyncio.run(_clear_totp(settings, email))
    if not removed:
        typer.echo("There is no user with this address and a second factor", err=True)
        raise typer.Exit(1)
    typer.echo(f"Removed the second factor of {email}.")


async def _clear_totp(settings: UserSettings, email: str) -> bool:
    database = Database(settings.database_url, pool_size=1)
    try:
        return await admins.clear_totp(database, audit_trail(settings.secret_key.get_secret_value()), email)
    finally:
        await database.close()


@app.command()
def rotate_keys() -> None:
    """Makes a new key for access tokens. It is used for signing after eleven minutes. Tokens of the old key stay valid
    until they expire.
    """
    settings = load_settings(UserSettings)
    if settings.shared_secret is not None:
        typer.echo("With ALGORITHM=HS256 the key is SECRET_KEY; set a new one", err=True)
        raise typer.Exit(1)
    with _plain_errors():
        kid = asyncio.run(_rotate(settings))
    typer.echo(f"Made the key {kid}; it is used for signing in eleven minutes, when every reader can know it.")


async def _rotate(settings: UserSettings) -> str:
    database = Database(settings.database_url, pool_size=1)
    try:
        return await StoredKeys(database, settings.secret_key.get_secret_value()).rotate()
    finally:
        await database.close()


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Turns an expected error into one line and an exit status."""
    try:
        yield
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            typer.echo(f"{problem['loc'][0]}: {plain_message(problem['msg'])}", err=True)
        raise typer.Exit(2) from None
    except ServiceError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from None
    except ProgrammingError as error:
        if sqlstate_of(error) != UNDEFINED_TABLE:
            raise
        typer.echo("The database has no tables yet: run `python -m user_service migrate` first", err=True)
        raise typer.Exit(1) from None


@dataclass(frozen=True, slots=True)
class Person:
    email: str
    name: str
    password: str = field(repr=False)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = os.environ.get("ADMIN_PASSWORD") or typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked


async def _ensure(settings: UserSettings, person: Person, *, promote: bool) -> EnsuredAdmin:
    database, passwords = Database(settings.database_url, pool_size=1), Passwords(new_registry(), workers=1)
    maker = AdminMaker(database, passwords, audit_trail(settings.secret_key.get_secret_value()))
    redis = connect_redis(settings.redis_url)
    try:
        admin = await ensure_admin(
            maker, email=person.email, name=person.name, password=person.password, promote=promote
        )
        if admin.outcome == "promoted":
            seconds = settings.access_token_expire_minutes * 60
            await RevokedTokens(redis).revoke(revocations(admin.ended, seconds=seconds))
            await UserLookups(database, redis).changed(admin.user_id)
        return admin
    finally:
        passwords.close()
        await redis.aclose()
        await database.close()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a prompt for a password has to restore the terminal
    app(prog_name="python -m user_service")

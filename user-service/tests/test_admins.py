"""Administrators are created on the command line by the operator."""

import asyncio

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from typer.testing import CliRunner

from chassis.observability.metrics import new_registry
from user_service.__main__ import app as cli
from user_service.services.admins import AdminMaker, NotAnAdministrator, ensure_admin
from user_service.services.passwords import Passwords

EMAIL, PASSWORD = "admin@example.com", "an admin's password"


@pytest.fixture
def passwords():
    hasher = Passwords(new_registry())
    yield hasher
    hasher.close()


@pytest.fixture
def maker(world, passwords):
    return AdminMaker(world.database, passwords, world.audit)


async def _run(*arguments: str, stdin: str = "", **environment: str) -> tuple[int, str]:
    """`python -m user_service ...` in this process: its status, and everything it wrote."""
    result = await asyncio.to_thread(CliRunner().invoke, cli, arguments, input=stdin, env=environment)
    return result.exit_code, result.output


async def test_an_administrator_is_made_once(world, maker) -> None:
    outcomes = [(await ensure_admin(maker, email=EMAIL, name="Admin", password=PASSWORD)).outcome for _ in range(2)]
    assert outcomes == ["created", "unchanged"]
    assert (await world.log_in(EMAIL, PASSWORD))["user"]["role"] == "admin"


async def test_several_processes_that_make_it_at_once_make_one(world, maker) -> None:
    made = await asyncio.gather(*(ensure_admin(maker, email=EMAIL, name="Admin", password=PASSWORD) for _ in range(4)))
    assert sorted(admin.outcome for admin in made) == ["created", "unchanged", "unchanged", "unchanged"]
    assert len({admin.user_id for admin in made}) == 1


async def test_an_earlier_sign_up_is_promoted_only_on_request_and_gets_the_new_password(world, maker) -> None:
    """Anybody may have signed up with the operator's address."""
    attacker = await world.user(email=EMAIL)
    given = {"email": EMAIL.upper(), "name": "Other", "password": PASSWORD}
    with pytest.raises(NotAnAdministrator):
        await ensure_admin(maker, **given)
    assert (await world.log_in(EMAIL))["user"]["role"] == "user"
    admin = await ensure_admin(maker, **given, promote=True)
    assert (admin.outcome, str(admin.user_id)) == ("promoted", attacker.id)
    assert (await world.try_login(EMAIL)).status_code == 401
    refreshed = await world.http.post("/api/v1/auth/refresh", json={"refresh_token": attacker.refresh_token})
    assert refreshed.status_code == 401
    login = await world.log_in(EMAIL, PASSWORD)
    assert (login["user"]["role"], login["user"]["name"]) == ("admin", "Ada")


async def test_an_administrator_gets_no_weaker_password_than_others(world, maker) -> None:
    with pytest.raises(ValidationError):
        await ensure_admin(maker, email=EMAIL, name="Admin", password="short")


async def test_the_command_line_migrates_and_makes_an_administrator(databases, make_world) -> None:
    url = await databases(None)
    environment = {"DATABASE_URL": url, "LOG_LEVEL": "WARNING"}
    assert (await _run("migrate", **environment))[0] == 0
    create = ("create-admin", "--email", EMAIL, "--name", "Admin")
    status, output = await _run(*create, "--password-stdin", stdin=f"{PASSWORD}\n", **environment)
    assert (status, "Created" in output, PASSWORD in output) == (0, True, False)
    status, output = await _run(*create, ADMIN_PASSWORD=PASSWORD, **environment)
    assert (status, "already" in output) == (0, True)
    world = await make_world(database_url=url)
    await world.sign_up(email="user@example.com")
    create = ("create-admin", "--email", "user@example.com")
    status, output = await _run(*create, ADMIN_PASSWORD=PASSWORD, **environment)
    assert (status, "--promote" in output) == (1, True)
    status, output = await _run(*create, "--promote", ADMIN_PASSWORD=PASSWORD, **environment)
    assert (status, "new password" in output) == (0, True)
    assert (await world.log_in(EMAIL, PASSWORD))["user"]["role"] == "admin"


async def test_the_command_line_says_what_is_wrong_and_never_the_password(databases, unused_tcp_port) -> None:
    away = {"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/none"}
    status, output = await _run("create-admin", "--email", "no", ADMIN_PASSWORD="geheim", **away)
    assert (status, "email" in output, "password" in output, "geheim" in output) == (2, True, True, False)
    status, output = await _run("create-admin", "--email", EMAIL, ADMIN_PASSWORD=PASSWORD, **away)
    assert (status, "not available" in output, PASSWORD in output) == (1, True, False)


async def test_before_the_migrations_the_command_line_says_which_command_comes_first(databases) -> None:
    url = await databases(None)
    status, output = await _run("create-admin", "--email", EMAIL, ADMIN_PASSWORD=PASSWORD, DATABASE_URL=url)
    assert (status, "user_service migrate" in output, output.count("\n")) == (1, True, 1)


async def test_production_refuses_the_keys_of_development() -> None:
    status, output = await _run("migrate", ENVIRONMENT="production", SECRET_KEY="s" * 31)
    assert (status, "SECRET_KEY" in output, "SERVICE_PRIVATE_KEY" in output, "sss" in output) == (2, True, True, False)


async def test_no_role_changes_over_http(world) -> None:
    admin, user = await world.admin(), await world.user()
    await admin.call("PATCH", user.path, json={"role": "admin"})
    async with world.database.begin() as connection:
        roles = await connection.execute(text("SELECT role FROM users WHERE id = :id"), {"id": user.id})
    assert roles.scalar_one() == "user"

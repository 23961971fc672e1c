"""The data that every case finds in the system: users with a device each, a template, API keys."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from bench.database import Database
from bench.users import APART, Users, populate
from testkit.system import System

SCOPES = ["notifications:write", "notifications:urgent", "notifications:read"]
TEMPLATE = {
    "code": "welcome", "name": "Welcome", "language": "en", "subject": "Hello {{ name }}",
    "content": "<p>Hello {{ name }}, <a href='{{ link }}'>open</a></p>",
    "title": "Hi {{ name }}", "body": "Look at this", "link": "{{ link }}",
}  # fmt: skip
PERSON = {
    "name": "Ada", "email": "ada@example.com", "push_token": f"device-{uuid4().hex}",
    "preferences": {"email": True, "push": True},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fixtures:
    """`key` and `other_key` belong to two applications. `apart` are users that are not in `users`."""

    key: str = ""
    other_key: str = ""
    users: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()


def make_fixtures(system: System, users: Database) -> Fixtures:
    """Needs a running system whose client is logged in as administrator, and the user service's database."""
    system.call("POST", "/templates/", TEMPLATE)
    model = UUID(system.call("POST", "/users/", {**PERSON, "password": uuid4().hex})["id"])
    everybody = populate(users, model, Users.COLD.value + APART)
    return Fixtures(
        key=_key(system, "bench"),
        other_key=_key(system, "bench: broadcasts"),
        users=tuple(everybody[: Users.COLD.value]),
        apart=tuple(everybody[Users.COLD.value :]),
    )


def _key(system: System, name: str) -> str:
    return str(system.call("POST", "/api-keys", {"name": name, "scopes": SCOPES})["key"])

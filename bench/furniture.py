"""What every case finds in the system: users with a device each, a template, an API key."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

from tests.e2e.system import System

USERS = 50
SCOPES = ["notifications:write", "notifications:read"]
TEMPLATE = {
    "code": "welcome", "name": "Welcome", "language": "en", "subject": "Hello {{ name }}",
    "content": "<p>Hello {{ name }}, <a href='{{ link }}'>open</a></p>",
    "title": "Hi {{ name }}", "body": "Look at this", "link": "{{ link }}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Furniture:
    key: str
    users: list[str]


def furnish(system: System) -> Furniture:
    """Needs a running system; its client is logged in as administrator."""
    system.call("POST", "/templates/", TEMPLATE)
    key = system.call("POST", "/api-keys", {"name": "bench", "scopes": SCOPES})["key"]
    with ThreadPoolExecutor(4) as pool:
        users = list(pool.map(lambda number: _user(system, number), range(USERS)))
    return Furniture(str(key), users)


def _user(system: System, number: int) -> str:
    person = {
        "name": f"Ada {number}",
        "email": f"ada.{number}@example.com",
        "password": uuid4().hex,
        "push_token": f"device-{uuid4().hex}",
        "preferences": {"email": True, "push": True},
    }
    return str(system.call("POST", "/users/", person)["id"])

"""Every operation withstands hostile input: of an administrator, of a client without credentials, and of a service."""

from contracts.services import PUSH_SERVICE
from testkit.hostile import Operation, operations_of, withstand

INTERNAL = [
    Operation("GET", "/internal/users/{user_id}", ("user_id",)),
    Operation("POST", "/internal/users/find", body={"ids": ["0192f0c1-0000-7000-8000-000000000000"]}),
    Operation("POST", "/internal/users/find-by-address", body={"email": "ada@example.com"}),
    Operation("POST", "/internal/api-keys/find", body={"hash": "0" * 64}),
    Operation("POST", "/internal/users/{user_id}/push-tokens/remove", ("user_id",), body={"token": "t"}),
]
SLOW = ("/api/v1/auth/login",)  # hashes a password each time: tried by itself, and less often


async def test_no_operation_answers_5xx(world) -> None:
    admin = await world.admin()
    other = await world.user()
    known = {"user_id": other.id}
    operations = operations_of(world.app)
    caller = {"Authorization": f"Bearer {admin.token}"}
    await withstand(world.app, caller, [one for one in operations if one.path not in SLOW], known=known, examples=400)
    await withstand(world.app, {}, [one for one in operations if one.path in SLOW], examples=40)
    await withstand(world.app, world.service_headers(), INTERNAL[:-1], known=known, examples=100)
    await withstand(world.app, world.service_headers(caller=PUSH_SERVICE), INTERNAL[-1:], known=known, examples=30)

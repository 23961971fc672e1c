"""Those who call, with their credentials, and the things that the routes name."""

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from chassis.postgres.database import Database
from chassis.security import SigningKey, sign
from chassis.security.service_tokens import ServiceTokens
from contracts.callers import ACCESS_AUDIENCE, ACCESS_ISSUER, SCOPES
from testkit.eventually import wait_until
from testkit.system import ADMIN, MODULES, SECRET_KEY, SERVICE_KEYS, System
from tests.access.rows import Json, Row
from user_service.services.signing_keys import StoredKeys

ALL_BUT_ADMIN = [scope for scope in SCOPES if scope != "admin"]


@dataclass(frozen=True)
class Things:
    """What the words in braces of `rows` stand for. `token` is of the user whose they are."""

    user_id: str
    email: str
    push_token: str
    token_id: str
    session_id: str
    application_id: str
    key_id: str
    notification_id: str
    code: str
    snippet: str
    external_id: str
    contact_id: str
    token: str
    version: str = "1"
    fingerprint: str = "0" * 64
    erasure_id: str = str(UUID(int=0))
    hold_id: str = str(UUID(int=0))
    attachment_id: str = str(UUID(int=0))
    provider: str = "nobody"

    def filled(self, text: str) -> str:
        for name, value in {**asdict(self), "unique": f"u{uuid4().hex}"}.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def body(self, row: Row) -> object:
        return json.loads(self.filled(json.dumps(row.body)))


class World:
    """One application whose keys come and go, another one, and people. `system` is called as its administrator."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._application = self._made("/applications", {"name": "matrix"})["id"]
        self._keys = {scope: self._key([scope], self._application) for scope in SCOPES}
        self._without = self._key([], self._application)
        self._foreign = self._key(ALL_BUT_ADMIN, None)
        self._other = self._new_person()
        revoked = self._made("/api-keys", {"name": "revoked", "scopes": ["admin"]})
        system.call("DELETE", f"/api-keys/{revoked['id']}")
        self._dead = {
            "revoked_key": revoked["key"],
            "logged_out": self._logged_out(),
            "ended_session": self._ended(),
            "expired": self._expired(),
        }
        self._living = {"other_user": self._token(self._other), "admin": self._token(ADMIN)}
        self.things = self.new_things()

    def credential(self, caller: str, row: Row, service: str, things: Things) -> str | None:
        """What that caller shows `service`; None for nobody."""
        if row.ends_session and caller in self._living:
            return self._token(ADMIN if caller == "admin" else self._other)
        known, stranger = row.by[0], next(one for one in MODULES if one not in row.by and one != service)
        return {
            "nobody": None,
            "key_without_scope": self._without,
            "key_with_scope": self._keys.get(row.scope, self._without),
            "foreign_key": self._foreign,
            "service": ServiceTokens(SERVICE_KEYS[known]).issue(service),
            "other_service": ServiceTokens(SERVICE_KEYS[stranger]).issue(service),
            "service_elsewhere": ServiceTokens(SERVICE_KEYS[known]).issue("nowhere"),
            "user": things.token,
            **self._dead,
            **self._living,
        }[caller]

    def new_things(self) -> Things:
        """All of them anew, the user too."""
        login = self._new_person()
        logged_in = self._system.call("POST", "/auth/login", login)
        user, token = logged_in["user"], f"device-{uuid4().hex}"
        added = self._made(f"/users/{user['id']}/push-tokens", {"push_token": token})
        code = f"t{uuid4().hex}"
        self._made("/templates", {"code": code, "name": "Matrix", "content": "<p>Hello</p>"})
        self._made("/snippets", {"name": code, "content": "Hello"})
        application = self._made("/applications", {"name": "matrix"})["id"]
        key = self._made("/api-keys", {"name": "matrix", "application_id": application})
        return Things(
            user_id=user["id"],
            email=user["email"],
            push_token=token,
            token_id=added["id"],
            session_id=self._system.call("GET", f"/users/{user['id']}/sessions")[0]["id"],
            application_id=application,
            key_id=key["id"],
            notification_id=self._notification(user["id"], code),
            code=code,
            snippet=code,
            external_id=(external_id := f"x{uuid4().hex}"),
            contact_id=self._contact(external_id),
            token=logged_in["access_token"],
        )

    def _contact(self, external_id: str) -> str:
        """Of the application whose keys the callers have."""
        body = {"name": "Ada", "email": f"{external_id}@example.com"}
        return self._as_application("users:write", "PUT", f"/users/external/{external_id}", body)["id"]

    def _notification(self, user_id: str, code: str) -> str:
        """Of the application whose keys the callers have."""
        later = (datetime.now(UTC) + timedelta(days=1)).isoformat()  # nobody takes it up meanwhile
        body = {"notification_type": "email", "user_id": user_id, "template_code": code, "send_at": later}
        return self._as_application("notifications:write", "POST", "/notifications", body)["notification_id"]

    def _as_application(self, scope: str, method: str, path: str, body: Json) -> dict[str, str]:
        bearer = {"Authorization": f"Bearer {self._keys[scope]}"}
        answer = self._system.http.request(method, f"{self._system.gateway}/api/v1{path}", json=body, headers=bearer)
        assert answer.is_success, answer.text
        return dict(answer.json()["data"])

    def _new_person(self) -> dict[str, str]:
        """What they log in with."""
        login = {"email": f"{uuid4().hex}@example.com", "password": uuid4().hex}
        self._made("/users", {**login, "name": "Ada"})
        return login

    def _token(self, login: dict[str, str]) -> str:
        return str(self._system.call("POST", "/auth/login", login)["access_token"])

    def _made(self, path: str, body: Json) -> Json:
        return dict(self._system.call("POST", path, body, status=201))

    def _key(self, scopes: list[str], application: str | None) -> str:
        return str(self._made("/api-keys", {"name": "matrix", "scopes": scopes, "application_id": application})["key"])

    def _logged_out(self) -> str:
        token = self._token(self._new_person())
        assert self._as(token, "POST", "/auth/logout") == 200
        return self._refused(token)

    def _ended(self) -> str:
        login = self._new_person()
        logged_in = self._system.call("POST", "/auth/login", login)
        self._system.call("DELETE", f"/users/{logged_in['user']['id']}/sessions")
        return self._refused(str(logged_in["access_token"]))

    def _refused(self, token: str) -> str:
        """Once it is, which takes seconds where it was seen before."""
        wait_until(lambda: self._as(token, "GET", "/notifications") == 401, 10, "the session's end")
        return token

    def _as(self, token: str, method: str, path: str) -> int:
        bearer = {"Authorization": f"Bearer {token}"}
        return self._system.http.request(method, f"{self._system.gateway}/api/v1{path}", headers=bearer).status_code

    def _expired(self) -> str:
        """An administrator's, rightly signed, and a second too old; with a minute more it would be good."""
        key, now = asyncio.run(self._signing_key()), int(time.time())
        claims = {"iss": ACCESS_ISSUER, "aud": ACCESS_AUDIENCE, "sub": str(uuid4()), "iat": now - 60, "exp": now + 60,
                  "jti": uuid4().hex, "sid": uuid4().hex, "role": "admin"}  # fmt: skip
        assert self._as(sign(claims, key), "GET", "/notifications") == 200
        return sign({**claims, "exp": now - 1}, key)

    async def _signing_key(self) -> SigningKey:
        database = Database(self._system.databases["user-service"])
        try:
            return await StoredKeys(database, SECRET_KEY).current()
        finally:
            await database.close()

"""What tests of the console share: the gateway's API as an administrator sees it, and a browser without scripts."""

from typing import Any
from uuid import uuid4

import httpx2
from fastapi import FastAPI

from console.settings import ConsoleSettings
from devstack.plan import ADMIN_EMAIL, ADMIN_PASSWORD
from notifications.resources.operations import fingerprint
from testkit.eventually import wait_until

ENDS = {"sent", "delivered", "failed", "suppressed", "cancelled", "expired", "unknown"}


class System:
    """The gateway's API as an administrator sees it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx2.Client(base_url=f"{url}/api/v1", trust_env=False, timeout=20)
        self._log_in()

    def _log_in(self) -> None:
        login = self.call("POST", "/auth/login", {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {login['access_token']}"

    def call(self, method: str, path: str, body: object = None) -> Any:
        answer = self.http.request(method, path, json=body)
        if answer.status_code == 401 and "Authorization" in self.http.headers:
            # A user has a limited number of sessions: each test logs the same administrator in, and the oldest one ends.
            del self.http.headers["Authorization"]
            self._log_in()
            answer = self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def user(self, name: str = "Grace Hopper", email: str = "", **more: object) -> Any:
        email = email or f"{uuid4().hex}@example.com"
        return self.call("POST", "/users", {"name": name, "email": email, "password": uuid4().hex, **more})

    def template(self, **parts: object) -> str:
        code = f"t_{uuid4().hex[:12]}"
        given = {
            "code": code,
            "name": "Parcel",
            "subject": "Hi {{ name }}",
            "content": "<p>Hello {{ name }}</p>",
            **parts,
        }
        self.call("POST", "/templates", given)
        return code

    def send(self, user_id: str | None, template: str, **more: object) -> Any:
        """The detail of a new notification, once it has ended. Without a user `to` names the recipient."""
        body = {
            "notification_type": "email", "template_code": template, "variables": {"name": "Grace"},
            "request_id": uuid4().hex, **({"user_id": user_id} if user_id else {}), **more,
        }  # fmt: skip
        made = self.call("POST", "/notifications", body)["notification_id"]
        if "send_at" not in more:
            wait_until(lambda: self.detail(made)["status"] in ENDS, 60, "its end")
        return self.detail(made)

    def bounced(self, user: Any, template: str) -> Any:
        """The detail of a mail that came back. The mail that asks for the user's confirmation may have come back before it,
        and then the address gets none: so it is taken off the list, and sent another."""
        first = self.send(user["id"], template)
        if first["error"] != "address_suppressed":
            return first
        self.call("DELETE", f"/suppressions/{fingerprint(user['email'])}")
        return self.send(user["id"], template)

    def detail(self, notification_id: str) -> Any:
        return self.call("GET", f"/notifications/{notification_id}")

    def key(self, *scopes: str) -> str:
        owner = self.call("POST", "/applications", {"name": f"app {uuid4().hex[:8]}"})["id"]
        made = self.call("POST", "/api-keys", {"name": "key", "application_id": owner, "scopes": list(scopes)})
        return str(made["key"])


def settings(url: str, **more: object) -> ConsoleSettings:
    return ConsoleSettings(_env_file=None, api_gateway_url=url, **more)


class Browser:
    """A browser without scripts: it keeps cookies, and fills in the forms that it got."""

    def __init__(self, app: FastAPI, http: httpx2.AsyncClient) -> None:
        self.app, self.http = app, http

    async def open(self, path: str, **headers: str) -> httpx2.Response:
        return await self.http.get(path, headers=headers)

    async def submit(self, page: str, action: str, **fields: str) -> httpx2.Response:
        """Opens `page`, and sends its form with that action and these fields."""
        csrf = csrf_of((await self.open(page)).text)
        return await self.http.post(action, data={"csrf": csrf, **fields}, headers={"sec-fetch-site": "same-origin"})

    async def log_in(self, email: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD) -> "Browser":
        done = await self.submit("/login", "/login", email=email, password=password)
        assert done.status_code == 303, done.text
        return self


def csrf_of(page: str) -> str:
    return page.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]

"""A client of the gateway: logs in, creates users and templates, sends notifications and follows them."""

import asyncio
from typing import Any

import httpx2

from devstack.plan import StackError


class GatewayClient:
    """Raises StackError with the gateway's own message if it refuses a request or does not respond."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx2.AsyncClient(base_url=f"{base_url}/api/v1", timeout=20, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def log_in(self, email: str, password: str) -> None:
        data = await self.call("POST", "/auth/login", {"email": email, "password": password})
        self._http.headers["Authorization"] = f"Bearer {data['access_token']}"

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """The `data` of the response."""
        try:
            answer = await self._http.request(method, path, json=body)
            envelope = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise StackError(f"{method} {path}: {type(error).__name__}") from error
        if not envelope.get("success"):
            raise StackError(
                f"{method} {path}: {answer.status_code} {envelope.get('error')}: {envelope.get('message')}"
            )
        return envelope["data"]

    async def ensure(self, path: str, body: object, *, accepted: str) -> None:
        """Creates something. An error in `accepted` means that it exists already, and is no failure."""
        try:
            await self.call("POST", path, body)
        except StackError as error:
            if accepted not in str(error):
                raise

    async def follow(self, notification_id: str, *, until: set[str], seconds: float = 30) -> Any:
        """The notification's detail, once its status is one of `until`. Raises StackError if that takes too long."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            notification = await self.call("GET", f"/notifications/{notification_id}")
            if notification["status"] in until:
                return notification
            if asyncio.get_running_loop().time() > deadline:
                raise StackError(
                    f"The notification {notification_id} is still {notification['status']} after {seconds:.0f} s"
                )
            await asyncio.sleep(0.05)

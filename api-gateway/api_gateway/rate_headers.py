"""Puts the caller's rate-limit headers on whatever answer a request gets, refusals included."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RateLimitHeaders:
    """`dependencies.spend` leaves the headers in the request's state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and "rate_headers" in state:
                headers = state["rate_headers"].items()
                message["headers"] = [*message["headers"], *((k.lower().encode(), v.encode()) for k, v in headers)]
            await send(message)

        await self._app(scope, receive, send_with_headers)

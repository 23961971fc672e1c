"""FCM's HTTP v1 API: the token endpoint and `messages:send`, for one service account."""

import asyncio
from collections import Counter
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstack.simulators import fcm_messages
from devstack.simulators.broken_off import BrokenOff
from devstack.simulators.fcm_messages import FcmRefusal, read_request
from devstack.simulators.fcm_schema import PushMessage
from devstack.simulators.magic import BreakOff, Faults, RefuseToken, Stall, push_magic
from devstack.simulators.oauth import GRANT_TYPE, LIFETIME, InvalidGrant, IssuedTokens, ServiceAccount, check_assertion
from devstack.simulators.store import Inbox


class FcmSimulator:
    """Accepts pushes from every client that can sign as `account`. `routes` fit into any Starlette or FastAPI application."""

    def __init__(self, inbox: Inbox, account: ServiceAccount, *, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.tokens = IssuedTokens()
        self._inbox = inbox
        self._account = account
        self._attempts: Counter[str] = Counter()
        self.routes = [
            Route("/token", self._grant, methods=["POST"]),
            Route("/v1/projects/{project}/messages:send", self._send, methods=["POST"]),
        ]

    async def _grant(self, request: Request) -> Response:
        if self.faults.fcm == "down":
            return fcm_messages.UNAVAILABLE.response()
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        if form.get("grant_type") != [GRANT_TYPE]:
            return _oauth_error("unsupported_grant_type", f"grant_type must be {GRANT_TYPE}")
        try:
            check_assertion(form.get("assertion", [""])[0], self._account)
        except InvalidGrant as error:
            return _oauth_error("invalid_grant", str(error))
        return JSONResponse({"access_token": self.tokens.issue(), "expires_in": LIFETIME, "token_type": "Bearer"})

    async def _send(self, request: Request) -> Response:
        project = request.path_params["project"]
        try:
            self._admit(request, project)
            given = read_request(await request.body())
            message = given.message
            await self._misbehave(message.recipient)
        except FcmRefusal as refusal:
            self._inbox.pushes.refused += 1
            return refusal.error.response()
        # The real answer to a dry run names no message, either.
        name = "fake_message_id" if given.validate_only else self._take(message, request)
        await self._delay_answer(message.recipient)
        if self._breaks_off(message.recipient):
            return BrokenOff()
        return JSONResponse({"name": f"projects/{project}/messages/{name}"})

    def _admit(self, request: Request, project: str) -> None:
        if self.faults.fcm == "down":
            raise FcmRefusal(fcm_messages.UNAVAILABLE)
        if not self.tokens.good(request.headers.get("authorization", "")):
            raise FcmRefusal(fcm_messages.UNAUTHENTICATED)
        if project != self._account.project_id:
            raise FcmRefusal(fcm_messages.WRONG_PROJECT)

    async def _misbehave(self, token: str) -> None:
        match push_magic(token):
            case RefuseToken(error, times=None, seconds=seconds):
                await asyncio.sleep(seconds)
                raise FcmRefusal(error)
            case RefuseToken(error, times=int(times), then=then):
                self._attempts[token] += 1
                if self._attempts[token] <= times:
                    raise FcmRefusal(error)
                if then is not None:
                    raise FcmRefusal(then)

    def _take(self, message: PushMessage, request: Request) -> str:
        push = self._inbox.take_push(
            token=message.recipient,
            raw=message.model_dump_json(exclude_unset=True, by_alias=True),
            correlation_id=request.headers.get("x-correlation-id", ""),
            request_id=request.headers.get("x-request-id", ""),
        )
        return f"{push.received_at.timestamp():.6f}:{push.id}"

    def _breaks_off(self, token: str) -> bool:
        match push_magic(token):
            case BreakOff(times):
                self._attempts[token] += 1
                return self._attempts[token] <= times
        return False

    async def _delay_answer(self, token: str) -> None:
        match push_magic(token):
            case Stall(seconds):
                await asyncio.sleep(seconds)
        await self.faults.stalled("fcm")


def _oauth_error(error: str, description: str) -> JSONResponse:
    return JSONResponse({"error": error, "error_description": description}, status_code=400)

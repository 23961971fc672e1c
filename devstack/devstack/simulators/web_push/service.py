"""The push service: shows messages of simulated browsers, and forwards messages of real ones."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from devstack.simulators.broken_off import BrokenOff
from devstack.simulators.magic import BreakOff, Faults, Stall
from devstack.simulators.store import Inbox
from devstack.simulators.web_push.autopush import Autopush
from devstack.simulators.web_push.browsers import Browser, Undecryptable
from devstack.simulators.web_push.magic import GONE, GOOGLE, MOZILLA, Accept, Refuse, web_push_magic
from devstack.simulators.web_push.mailbox import Mailbox, is_of_a_connected_browser
from devstack.simulators.web_push.vapid import BadVapid, NoVapid, check_vapid

PATH = "/web-push"
MAX_BODY = 4096
URGENCIES = ("very-low", "low", "normal", "high")
_TTL = re.compile(r"[0-9]{1,20}")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


class WebPushSimulator:
    """Accepts messages that are signed with `public_key`. `routes` fit into any Starlette or FastAPI application.

    `mailbox` is of real browsers.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        origin: str,
        public_key: str,
        secret: bytes,
        faults: Faults,
        mailbox: Mailbox | None = None,
    ) -> None:
        self._inbox = inbox
        self._origin = origin
        self._public_key = public_key
        self._secret = secret
        self._faults = faults
        self._attempts: Counter[str] = Counter()
        self.address = f"{origin}{PATH}"
        self._autopush = Autopush(mailbox or Mailbox(), path=PATH, endpoint=self.address)
        self.routes: list[BaseRoute] = [
            self._autopush.route,
            Route("/api/web-push/subscriptions/{name}", self._subscribe, methods=["GET"]),
            Route(PATH + "/{name}", self._push, methods=["POST"]),
        ]

    async def _subscribe(self, request: Request) -> Response:
        """A subscription in the form of `PushSubscription.toJSON()`. Every name is a browser."""
        name = request.path_params["name"]
        return JSONResponse({"endpoint": f"{self._origin}{PATH}/{name}", "keys": Browser(name, self._secret).keys})

    async def _push(self, request: Request) -> Response:
        name = request.path_params["name"]
        body = await request.body()
        if is_of_a_connected_browser(name):
            return await self._pass_on(name, request.headers, body)
        magic = web_push_magic(name)
        refusal = self._refusal(request.headers, body) or self._magic_refusal(name, magic)
        if refusal is None:
            try:
                message = Browser(name, self._secret).decrypt(body)
            except Undecryptable:
                refusal = _refused("not encrypted for this browser")
        if refusal is not None:
            self._inbox.pushes.refused += 1
            return refusal
        push = self._inbox.take_push(token=name, raw=_raw(request.headers, message), provider="web_push")
        if isinstance(magic, Stall):
            await asyncio.sleep(magic.seconds)
        await self._faults.stalled("web_push")
        if isinstance(magic, BreakOff) and self._counts(name, magic.times):
            return BrokenOff()
        status = magic.status if isinstance(magic, Accept) else 201
        return Response(status_code=status, headers={"Location": f"{self._origin}{PATH}/messages/{push.id}"})

    async def _pass_on(self, name: str, headers: Mapping[str, str], body: bytes) -> Response:
        """To a real browser, which alone can decrypt the message."""
        subscription = self._autopush.find(name)
        refusal = self._refusal(headers, body)
        if refusal is None and subscription is not None and subscription.key not in {None, self._public_key}:
            refusal = JSONResponse(MOZILLA, 401)
        if refusal is not None or subscription is None:
            self._inbox.pushes.refused += 1
            return refusal or JSONResponse(GONE, 410)
        note = f"{len(body)} encrypted bytes, which only the browser can read".encode()
        push = self._inbox.take_push(token=name, raw=_raw(headers, note), provider="web_push")
        await self._autopush.deliver(subscription, body, ttl=int(headers["ttl"]), topic=headers.get("topic"))
        await self._faults.stalled("web_push")
        return Response(status_code=201, headers={"Location": f"{self._origin}{PATH}/messages/{push.id}"})

    def _refusal(self, headers: Mapping[str, str], body: bytes) -> Response | None:
        if self._faults.web_push == "down":
            return Response(status_code=503)
        try:
            check_vapid(headers.get("authorization", ""), audience=self._origin, public_key=self._public_key)
        except NoVapid:
            return Response(status_code=401)
        except BadVapid as error:
            reason = str(error)
            return Response(GOOGLE, 403) if reason == "VapidPkHashMismatch" else JSONResponse({"reason": reason}, 403)
        if len(body) > MAX_BODY:
            return Response(status_code=413)
        problem = _problem(headers)
        return _refused(problem) if problem else None

    def _magic_refusal(self, name: str, magic: object) -> Response | None:
        match magic:
            case Refuse(status, times, content, headers) if times is None or self._counts(name, times):
                if isinstance(content, str):
                    return Response(content, status, headers)
                return JSONResponse(content, status, headers)
        return None

    def _counts(self, name: str, times: int) -> bool:
        """Whether this attempt is one of the first `times`."""
        self._attempts[name] += 1
        return self._attempts[name] <= times


def _problem(headers: Mapping[str, str]) -> str:
    if _TTL.fullmatch(headers.get("ttl", "")) is None:
        return "TTL is missing or is no number"
    if headers.get("content-encoding") != "aes128gcm":
        return "Content-Encoding must be aes128gcm"
    if headers.get("urgency", "normal") not in URGENCIES:
        return "unknown Urgency"
    if "topic" in headers and not _TOPIC.fullmatch(headers["topic"]):
        return "Topic has more than 32 characters, or others than base64url's"
    return ""


def _refused(problem: str) -> Response:
    return JSONResponse({"code": 400, "errno": 110, "error": "Bad Request", "message": problem}, 400)


def _raw(headers: Mapping[str, str], message: bytes) -> str:
    shown = {name: headers[name] for name in ("ttl", "urgency", "topic") if name in headers}
    try:
        content = orjson.loads(message)
    except orjson.JSONDecodeError:  # a service worker may take any text
        content = message.decode("utf-8", "replace")
    return orjson.dumps({"headers": shown, "message": content}).decode()

"""The other side of the push service: real browsers, connected by Mozilla's Autopush protocol (JSON over a WebSocket).

Firefox speaks it with the server in its setting `dom.push.serverURL`. Sources: dom/push/PushServiceWebSocket.sys.mjs in
Firefox, and mozilla-push-service.readthedocs.io/en/latest/design. Chrome, Edge and Safari know only their vendor's service.
"""

import contextlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import orjson
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from devstack.simulators.web_push.mailbox import Mailbox, Message, Subscription

SUBPROTOCOL = "push-notification"
_CHANNEL = re.compile(r"[0-9a-fA-F-]{36}")
_NOT_UNDERSTOOD = 1003  # RFC 6455, 7.4.1


class Autopush:
    """`endpoint` is the address before the name of a subscription."""

    def __init__(self, mailbox: Mailbox, *, path: str, endpoint: str) -> None:
        self._mailbox = mailbox
        self._endpoint = endpoint
        self._connected: dict[str, WebSocket] = {}
        self.route = WebSocketRoute(path, self._serve)

    def find(self, name: str) -> Subscription | None:
        """None if the browser has unsubscribed, or never subscribed here."""
        return self._mailbox.find(name)

    async def deliver(self, subscription: Subscription, body: bytes, *, ttl: int, topic: str | None) -> None:
        """Sends to the browser if it is connected. Stores the message until the browser acknowledges it, or `ttl` is over."""
        data = urlsafe_b64encode(body).rstrip(b"=").decode()
        message = self._mailbox.put(subscription, data, ttl=ttl, topic=topic)
        if socket := self._connected.get(subscription.agent):
            with contextlib.suppress(WebSocketDisconnect):  # it gets the message when it comes back
                await _send(socket, _notification(subscription, message))

    async def _serve(self, socket: WebSocket) -> None:
        offered = socket.scope["subprotocols"]
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        agent = ""
        try:
            while (received := await socket.receive())["type"] == "websocket.receive":
                message = _read(received.get("text") or "")
                if message.get("messageType") == "hello" and not agent:
                    agent = await self._hello(socket, message)
                elif message == {}:
                    await socket.send_text("{}")  # a ping
                elif not agent or not await self._answer(socket, agent, message):
                    await socket.close(_NOT_UNDERSTOOD)
                    return
        except WebSocketDisconnect:  # while something was sent
            return
        finally:
            if self._connected.get(agent) is socket:
                del self._connected[agent]

    async def _hello(self, socket: WebSocket, message: Mapping[str, Any]) -> str:
        """The browser's id. A browser that gets another id than it had drops its subscriptions: they are not known here."""
        named = message.get("uaid")
        agent = named if isinstance(named, str) and self._mailbox.of_agent(named) else uuid4().hex
        self._connected[agent] = socket
        answer = {"messageType": "hello", "uaid": agent, "status": 200, "use_webpush": True, "broadcasts": {}}
        await _send(socket, answer)
        for subscription in self._mailbox.of_agent(agent):
            for waiting in self._mailbox.waiting(subscription):
                await _send(socket, _notification(subscription, waiting))
        return agent

    async def _answer(self, socket: WebSocket, agent: str, message: Mapping[str, Any]) -> bool:
        """False if the message is not understood."""
        match message:
            case {"messageType": "register", "channelID": str(channel)}:
                await _send(socket, self._register(agent, channel, message.get("key")))
            case {"messageType": "unregister", "channelID": str(channel)}:
                self._mailbox.unsubscribe(agent, channel)
                await _send(socket, {"messageType": "unregister", "channelID": channel, "status": 200})
            case {"messageType": "ack", "updates": [*updates]}:
                self._acknowledge(agent, updates)
            case {"messageType": "nack" | "broadcast_subscribe" | "ping"}:
                pass  # a service worker's error, and Mozilla's own broadcasts
            case _:
                return False
        return True

    def _register(self, agent: str, channel: str, key: object) -> dict[str, Any]:
        answer: dict[str, Any] = {"messageType": "register", "channelID": channel}
        if _CHANNEL.fullmatch(channel) is None or not isinstance(key, str | None):
            return {**answer, "status": 400}
        bare = key.rstrip("=") if key else None  # Firefox pads it
        subscription = self._mailbox.subscribe(agent, channel, bare)
        return {**answer, "status": 200, "pushEndpoint": f"{self._endpoint}/{subscription.name}"}

    def _acknowledge(self, agent: str, updates: list[Any]) -> None:
        """Also if the browser could not decrypt the message (code 101) or show it (102): sending it again would not help."""
        for update in updates:
            match update:
                case {"channelID": str(channel), "version": str(version)}:
                    self._mailbox.acknowledge(agent, channel, version)


def _read(text: str) -> Mapping[str, Any]:
    """Input that is no JSON object counts as a message without a type."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        message = None
    return message if isinstance(message, dict) else {"messageType": None}


def _notification(subscription: Subscription, message: Message) -> dict[str, Any]:
    return {
        "messageType": "notification",
        "channelID": subscription.channel,
        "version": message.version,
        "data": message.data,
        "headers": {"encoding": "aes128gcm"},
    }


async def _send(socket: WebSocket, message: Mapping[str, Any]) -> None:
    await socket.send_text(orjson.dumps(message).decode())

"""APNs: its answer to one request, and what the inbox shows."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from devstack.simulators.apns.live_activity import IGNORED, is_update
from devstack.simulators.apns.magic import ApnsEnvironment, Break, Late, Refuse, apns_magic, environment_of
from devstack.simulators.apns.team import TOPIC, Team
from devstack.simulators.magic import Faults
from devstack.simulators.store import Inbox

MAX_PAYLOAD = 4096
# By push type. A background notification with the priority 10 is an error.
PRIORITIES = {"alert": {"1", "5", "10"}, "background": {"1", "5"}, "liveactivity": {"1", "5", "10"}}
LIVE_ACTIVITY_TOPIC = f"{TOPIC}.push-type.liveactivity"
DEVICE_DIGITS = 64  # the tokens of Live Activities are longer, as Apple's are
_PATH = re.compile(r"/3/device/((?:[0-9a-f]{2}){32,100})")


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    late_seconds: int = 0


class ApnsSimulator:
    """One environment of APNs. Accepts notifications for the app of `team`."""

    def __init__(
        self, inbox: Inbox, team: Team, *, faults: Faults, environment: ApnsEnvironment = "production"
    ) -> None:
        self.faults = faults
        self._inbox = inbox
        self._team = team
        self._environment = environment
        self._attempts: Counter[str] = Counter()

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer | Break:
        refusal = self._refusal(headers, body)
        if refusal is not None:
            return self._refused(refusal)
        token = headers[":path"].rpartition("/")[2]
        if environment_of(token) != self._environment:
            return self._refused(Refuse(400, "BadDeviceToken"))
        magic, times = apns_magic(token)
        self._attempts[token] += 1
        if times is not None and self._attempts[token] > times:
            magic = None
        match magic:
            case Refuse():
                return self._refused(magic)
            case Break(how="go-away" | "refuse-stream" | "reset-stream"):
                return magic
        apns_id = self._take(token, headers, body)
        if isinstance(magic, Break):
            return magic
        return Answer(200, headers={"apns-id": apns_id}, late_seconds=magic.seconds if isinstance(magic, Late) else 0)

    def _refusal(self, headers: Mapping[str, str], body: bytes) -> Refuse | None:
        if self.faults.apns == "down":
            return Refuse(503, "ServiceUnavailable")
        if refusal := _bad_request(headers):
            return refusal
        if reason := self._team.refusal(headers.get("authorization", "")):
            return Refuse(403, reason)
        if reason := _bad_header(headers):
            return Refuse(400, reason)
        return _bad_payload(body, live_activity=headers["apns-push-type"] == "liveactivity")

    def _refused(self, refusal: Refuse) -> Answer:
        self._inbox.pushes.refused += 1
        body = json.dumps({"reason": refusal.reason}).encode() if refusal.reason else b""
        return Answer(refusal.status, body)

    def _take(self, token: str, headers: Mapping[str, str], body: bytes) -> str:
        shown = {name: value for name, value in headers.items() if name.startswith("apns-")}
        raw = json.dumps({"headers": shown, "message": json.loads(body)})
        push = self._inbox.take_push(token=token, raw=raw, provider="apns")
        return f"00000000-0000-0000-0000-{push.id:012X}"


def _bad_request(headers: Mapping[str, str]) -> Refuse | None:
    path = headers.get(":path", "")
    if headers.get(":method") != "POST":
        return Refuse(405, "MethodNotAllowed")
    if not path.startswith("/3/device/"):
        return Refuse(404, "BadPath")
    return None if _PATH.fullmatch(path) else Refuse(400, "BadDeviceToken")


def _bad_header(headers: Mapping[str, str]) -> str:
    if "apns-topic" not in headers:
        return "MissingTopic"
    live_activity = headers.get("apns-push-type") == "liveactivity"
    to_live_activity = len(headers[":path"].rpartition("/")[2]) > DEVICE_DIGITS
    checks = {
        "BadTopic": headers["apns-topic"] == (LIVE_ACTIVITY_TOPIC if live_activity else TOPIC),
        "InvalidPushType": headers.get("apns-push-type") in PRIORITIES,
        "BadPriority": headers.get("apns-priority", "10") in PRIORITIES.get(headers.get("apns-push-type", ""), ()),
        "BadExpirationDate": headers.get("apns-expiration", "0").isdigit(),
        "BadCollapseId": len(headers.get("apns-collapse-id", "").encode()) <= 64,
        "DeviceTokenNotForTopic": live_activity == to_live_activity,
    }
    return next((reason for reason, good in checks.items() if not good), "")


def _bad_payload(body: bytes, *, live_activity: bool) -> Refuse | None:
    if len(body) > MAX_PAYLOAD:
        return Refuse(413, "PayloadTooLarge")
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("aps"), dict):
        return Refuse(400, "PayloadEmpty")
    return Refuse(400, IGNORED) if live_activity and not is_update(found["aps"]) else None

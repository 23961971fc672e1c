"""Every page of the console that a link leads to, in one list for the browser's tests and for the bench."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import uuid4

Call = Callable[..., Any]  # method, path, body → the `data` of the gateway's answer
SUPPRESSED = "ada@example.com"


@dataclass(frozen=True, slots=True)
class Things:
    """What the pages show, by id; a template by its code. `push` went to `device` of `user`. Of `draft` something was sent,
    and its second version is not active.
    """

    notification: str
    push: str
    user: str
    device: str
    template: str
    draft: str
    application: str
    key: str
    hold: str
    erasure: str
    email: str = "nobody@example.com"
    request_id: str = "nothing"


def made(call: Call, *, held_template: str = "of_nobody") -> dict[str, str]:
    """Those of the `Things` that do not depend on notifications. While the hold stands, every page has its banner."""
    owner = call("POST", "/applications", {"name": "orders", "sender": {"from_name": "Orders"}})["id"]
    call("PATCH", f"/applications/{owner}", {"rate_limit_per_minute": 600})
    key = {"name": "production", "application_id": owner, "scopes": ["notifications:read"]}
    call("POST", "/suppressions", {"emails": [SUPPRESSED], "reason": "complained"})
    person = {"name": "Lin", "email": f"{uuid4().hex}@example.com", "password": uuid4().hex}
    gone = call("POST", "/users", person)["id"]
    hold = {"template_code": held_template, "reason": "Wrong price since the morning; ask Ada before you release it"}
    return {
        "application": owner,
        "key": call("POST", "/api-keys", key)["id"],
        "erasure": call("DELETE", f"/users/{gone}")["id"],
        "hold": call("POST", "/holds", hold)["hold_id"],
    }


def pages(of: Things) -> dict[str, str]:
    """Each page once. Name → path."""
    application, user, draft = f"/applications/{of.application}", f"/users/{of.user}", f"/templates/{of.draft}"
    key = f"{application}/keys/{of.key}"
    return {
        "overview": "/",
        "notifications": "/notifications",
        "notification": f"/notifications/{of.notification}",
        "try again": f"/notifications/{of.notification}/retry",
        "cancel one": f"/notifications/{of.notification}/cancel",
        "push": f"/notifications/{of.push}",
        "users": "/users",
        "user": user,
        "change user": f"{user}/change",
        "disable": f"{user}/disable",
        "erase": f"{user}/erase",
        "erasure": f"/erasures/{of.erasure}",
        "remove device": f"{user}/devices/{of.device}/remove",
        "failed": "/failed",
        "replay": "/failed/replay?reason=bounced&channel=email&kind=dead",
        "templates": "/templates",
        "template": f"/templates/{of.template}",
        "draft": f"{draft}?version=2",
        "editor": f"{draft}/edit?version=2",
        "new template": "/new-template",
        "new language": f"{draft}/languages",
        "trial": f"{draft}/trial?version=2",
        "compare": f"{draft}/compare?version=2",
        "activate": f"{draft}/activate?version=2",
        "test send": f"{draft}/test?version=2",
        "holds": "/holds",
        "hold": f"/holds/new?template={of.template}",
        "release": f"/holds/{of.hold}/release",
        "cancel": f"/holds/{of.hold}/cancel",
        "held": f"/notifications?held_by={of.hold}",
        "suppressions": "/suppressions",
        "suppression": f"/suppressions/{sha256(SUPPRESSED.encode()).hexdigest()}",
        "suppress": "/suppressions/add",
        "applications": "/applications",
        "new application": "/applications/new",
        "application": application,
        "application form": f"{application}/change",
        "delete": f"{application}/delete",
        "keys": "/applications/keys",
        "key": key,
        "key form": f"{application}/keys/new",
        "replace": f"{key}/replace",
        "revoke": f"{key}/revoke",
        "audit": "/audit",
        "system": "/system",
    }


def searches(of: Things) -> dict[str, str]:
    """Lists as they are searched, filtered and turned over: the same pages with other contents."""
    return {
        "overview, a day": "/?period=day",
        "overview, a week": "/?period=week",
        "notifications, at any time": "/notifications?since=any",
        "notifications, older": f"/notifications?since=any&before={of.notification}",
        "notifications, by status": "/notifications?status=failed&since=30d",
        "notifications, by channel": "/notifications?channel=push&since=7d",
        "notifications, by template": f"/notifications?template={of.draft}&since=any",
        "notifications, by everything": f"/notifications?status=expired&channel=push&template={of.draft}&since=any",
        "notifications, none": "/notifications?status=cancelled&channel=push&template=nothing&since=any",
        "notifications, of a user": f"/notifications?q={of.user}",
        "notifications, by address": f"/notifications?q={of.email}&status=sent",
        "notifications, by an address of nobody": "/notifications?q=somebody@example.com",
        "notifications, by request id": f"/notifications?q={of.request_id}",
        "notifications, by notification id": f"/notifications?q={of.notification}",
        "notifications, by an unknown name": "/notifications?q=nothing-of-this-name",
        "held, older": f"/notifications?held_by={of.hold}&status=pending&since=any",
        "users, by address": f"/users?q={of.email}",
        "failed, of a channel": "/failed?channel=push",
        "replay, of a template": f"/failed/replay?reason=bounced&channel=email&kind=dead&template={of.draft}",
        "templates, by name": f"/templates?q={of.draft}",
        "suppressions, by reason": "/suppressions?reason=complained",
        "audit, of a service": "/audit?service=user-service&since=2020-01-01",
        "audit, of a target": f"/audit?target=application:{of.application}",
    }


def parts(of: Things) -> dict[str, str]:
    """What pages ask for again by themselves, and what is shown in a frame."""
    return {
        "overview's figures": "/overview/figures?period=hour",
        "notification, live": f"/notifications/{of.notification}/live",
        "hold, live": f"/holds/{of.hold}/live?was=standing",
        "system, live": "/system/live",
        "erasure, live": f"/erasures/{of.erasure}/live",
        "mail of a template": f"/templates/{of.template}/email",
    }

"""Every method of the SDK, the operation that it calls, and values for all that it takes."""

import inspect
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import notifications as sdk
from notifications.calls import Call
from notifications.paging import Listing

NOW, ID = datetime(2026, 1, 1, tzinfo=UTC), "01a2013a-c30a-7000-8000-000000000000"

# Operations without a method, and why.
LEFT_OUT = {
    "get_notification_status": "the same as get_notification",
    "get_health": "the same as get_api_health",
    "get_liveness": "for probes",
    "get_readiness": "for probes",
    "report_email_status": "for providers",
    "report_push_status": "for providers",
    "report_provider_events": "for providers",
    "report_bounce": "for mail servers",
    "export_suppressions": "a file, for a download",
    "confirm_address": "for the page that a mail links to",
    "take_back_address": "for the page that a mail links to",
    "verify_email": "for the page that a mail links to",
    "reset_password": "for the page that a mail links to",
    "request_password_reset": "for a page to log in",
    "resend_verification": "for a page to log in",
    "set_up_totp": "for a page to log in",
    "confirm_totp": "for a page to log in",
    "remove_totp": "for a page to log in",
    "remove_push_token": "remove_push_token_by_id does it without the token",
}
SENDER = {"from_name": "N", "from_email": "a@example.com", "reply_to": "b@example.com"}
PAGED = {"page_size": 10, "page": 2}
CURSOR = {"page_size": 10, "cursor": ID}
PARTS = {"subject": "s", "preheader": "p", "content": "c", "text": "t", "title": "t", "body": "b", "image": "i",
         "link": "l", "link_schemes": ["https"], "inline_css": True}  # fmt: skip
SAVED = {**PARTS, "channels": ["email"], "purpose": "news", "sender": SENDER}
CHANGED = {**SAVED, "name": "N", "description": "d", "default_language": "en", "activate": False, "latest_version": 1}
PREFERENCES = {"email": True, "push": False, "unsubscribed": ["news"]}
PERSON = {"name": "N", "email": "a@example.com", "language": "en", "preferences": PREFERENCES}
ACCOUNT = {**PERSON, "password": "a long password", "push_token": "device"}
PUSH = {
    "analytics_label": "a", "badge": 1, "collapse_key": "k", "content_available": True, "data": {"a": "b"},
    "image": "https://example.com/i.png", "sound": "default", "ttl_seconds": 60,
    "android": {"channel_id": "c", "click_action": "a", "color": "#aabbcc", "icon": "i", "visibility": "private"},
    "apns": {"category": "c", "interruption_level": "active", "mutable_content": True, "relevance_score": 0.5,
             "subtitle": "s", "thread_id": "t",
             "live_activity": {"event": "update", "content_state": {"a": 1}, "alert": True, "dismissal_date": NOW,
                               "relevance_score": 0.5, "stale_date": NOW, "timestamp": NOW}},
    "web_push": {"icon": "i", "require_interaction": True, "silent": False, "urgency": "high",
                 "actions": [{"action": "a", "title": "t", "icon": "i", "navigate": "https://example.com"}]},
}  # fmt: skip
MAIL = {
    "notification_type": "email", "template_code": "welcome", "user_id": ID, "to": {"email": "a@example.com", "name": "N"},
    "variables": {"name": "N"}, "metadata": {"k": 1}, "request_id": "r-1", "priority": 5, "send_at": NOW, "expires_at": NOW,
    "language": "en", "template_version": 1, "delivery_guarantee": "at_most_once", "overrides": {"push": PUSH},
    "email": {"cc": ["a@example.com"], "bcc": ["b@example.com"], "reply_to": "c@example.com",
              "attachments": [{**sdk.attachment("a.txt", b"text"), "content_id": "a", "disposition": "inline",
                               "url": "https://example.com/a.txt"}],
              "tag": "t", "stream": "s", "metadata": {"k": "v"}},
}  # fmt: skip
FILTERS = {"user_id": ID, "to": "a@example.com", "status": "failed", "notification_type": "email", "template_code": "w",
           "request_id": "r", "held_by": ID, "created_after": NOW, "created_before": NOW}  # fmt: skip
AUDIT = {"actor": "a", "action": "b", "target": "t", "service": "api-gateway", "since": NOW, "until": NOW, **CURSOR}
REPLAY = {"notification_ids": [ID], "notification_type": "email", "error": "bounced", "template_version": 1, "limit": 5}

# Method → operation → values for every parameter that it has.
METHODS: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "send": ("create_notification", [], MAIL),
    "send_batch": ("create_notification_batch", [[MAIL]], {}),
    "get": ("get_notification", [ID], {}),
    "cancel": ("cancel_notification", [ID], {}),
    "retry": ("retry_notification", [ID], {"template_version": 1}),
    "wait_until_final": ("get_notification", [ID], {}),
    "list": ("list_notifications", [], {**FILTERS, **PAGED, **CURSOR}),
    "failed": ("list_failed_notifications", [], {"notification_type": "push", **PAGED, **CURSOR}),
    "replay": ("replay_failed_notifications", [], REPLAY),
    "reconcile": ("reconcile_notifications", [], {"hours": 1, "recount": True}),
    "statistics": (
        "get_statistics", [], {"period": "day", "notification_type": "email", "application_id": ID},
    ),
    "audit": ("list_audit_events", [], AUDIT),
    "health": ("get_api_health", [], {}),
    "system": ("get_system", [], {}),
    "vapid_key": ("get_vapid_key", [], {}),
    "login": ("log_in", ["a@example.com", "a password"], {"totp": "123456"}),
    "refresh": ("refresh_tokens", ["token"], {}),
    "logout": ("log_out", [], {}),
    "me": ("get_current_user", [], {}),
    "templates.list": ("list_templates", [], {"search": "s", "language": "en", "channel": "push", **PAGED}),
    "templates.get": ("get_template", ["w"], {"language": "en", "version": 1}),
    "templates.create": ("create_template", [], {**SAVED, "code": "w", "name": "N", "description": "d", "language": "en"}),
    "templates.update": ("update_template", ["w"], {**CHANGED, "language": "en"}),
    "templates.replace": ("replace_template", ["w"], {**CHANGED, "language": "en"}),
    "templates.archive": ("archive_template", ["w"], {}),
    "templates.versions": ("list_template_versions", ["w"], {"language": "en", **PAGED}),
    "templates.activate": ("activate_template_version", ["w", 2], {"language": "en"}),
    "templates.refresh": ("refresh_template", ["w"], {"language": "en"}),
    "templates.render": (
        "render_template", ["w"], {"variables": {"a": 1}, "language": "en", "version": 1, "channel": "push"},
    ),
    "templates.trial": (
        "try_template_version",
        ["w", 2],
        {"last": 5, "language": "en", "notification_type": "push", "show_variables": True},
    ),
    "templates.render_unsaved": (
        "render_unsaved_template", [], {**PARTS, "name": "N", "channel": "email", "variables": {"a": 1}},
    ),
    "snippets.list": ("list_snippets", [], {"search": "s", **PAGED}),
    "snippets.get": ("get_snippet", ["s"], {"version": 1}),
    "snippets.create": ("create_snippet", ["s", "content"], {"description": "d"}),
    "snippets.replace": ("replace_snippet", ["s", "content"], {"description": "d"}),
    "snippets.archive": ("archive_snippet", ["s"], {}),
    "snippets.versions": ("list_snippet_versions", ["s"], PAGED),
    "snippets.templates": ("list_snippet_templates", ["s"], PAGED),
    "users.list": ("list_users", [], {"email": "a@example.com", "role": "user", **PAGED}),
    "users.get": ("get_user", [ID], {}),
    "users.create": (
        "create_user", [], {**ACCOUNT, "external_id": "e", "preferences": {"email": True, "push": True}},
    ),
    "users.update": ("update_user", [ID], {**ACCOUNT, "current_password": "p"}),
    "users.replace": ("replace_user", [ID], {**ACCOUNT, "current_password": "p"}),
    "users.delete": ("delete_user", [ID], {}),
    "users.erasure": ("get_erasure", [ID], {}),
    "users.export": ("export_user", [ID], {}),
    "users.disable": ("disable_user", [ID], {}),
    "users.enable": ("enable_user", [ID], {}),
    "users.preferences": ("get_preferences", [ID], {}),
    "users.update_preferences": ("update_preferences", [ID], PREFERENCES),
    "users.set_preferences": ("set_preferences", [ID], PREFERENCES),
    "users.devices": ("list_push_tokens", [ID], {}),
    "users.removed_devices": ("list_removed_devices", [ID], {}),
    "users.add_device": ("add_push_token", [ID, "device"], {}),
    "users.replace_devices": ("replace_push_token", [ID, "device"], {}),
    "users.remove_device": ("remove_push_token_by_id", [ID, ID], {}),
    "users.sessions": ("list_sessions", [ID], {}),
    "users.end_session": ("end_session", [ID, ID], {}),
    "users.end_sessions": ("end_sessions", [ID], {}),
    "contacts.get": ("get_contact", ["e"], {}),
    "contacts.find": ("find_contacts", [["e"]], {}),
    "contacts.put": ("set_contact", ["e"], {**PERSON, "push_token": "device"}),
    "contacts.put_all": ("set_contacts", [[{**PERSON, "external_id": "e"}]], {}),
    "contacts.delete": ("get_contact", ["e"], {}),  # first; then delete_user
    "applications.list": ("list_applications", [], PAGED),
    "applications.get": ("get_application", [ID], {}),
    "applications.create": (
        "create_application", [], {"name": "N", "channels": ["email"], "rate_limit_per_minute": 5, "sender": SENDER},
    ),
    "applications.update": (
        "update_application",
        [ID],
        {"name": "N", "channels": ["email"], "rate_limit_per_minute": 5, "sender": SENDER, "disabled": True},
    ),
    "applications.delete": ("delete_application", [ID], {}),
    "api_keys.list": ("list_api_keys", [], {"application_id": ID, **PAGED}),
    "api_keys.create": (
        "create_api_key",
        [],
        {"name": "N", "application_id": ID, "scopes": ["users:read"], "test": True, "expires_at": NOW},
    ),
    "api_keys.rotate": ("rotate_api_key", [ID], {"overlap_seconds": 60}),
    "api_keys.revoke": ("revoke_api_key", [ID], {}),
    "holds.list": ("list_holds", [], {"standing": True, **PAGED}),
    "holds.get": ("get_hold", [ID], {}),
    "holds.add": (
        "add_hold", ["wrong price"], {"template_code": "w", "application_id": ID, "notification_type": "email",
                                     "provider": "smtp"},
    ),
    "holds.release": ("remove_hold", [ID], {"template_version": 2, "active_version": False}),
    "holds.cancel": ("cancel_hold", [ID], {}),
    "suppressions.list": ("list_suppressions", [], {"reason": "manual", **PAGED}),
    "suppressions.get": ("get_suppression", ["a@example.com"], {}),
    "suppressions.add": ("add_suppressions", [["a@example.com"]], {"reason": "bounced"}),
    "suppressions.import_file": ("import_suppressions", [b"email\n"], {"reason": "bounced"}),
    "suppressions.remove": ("remove_suppression", ["a@example.com"], {}),
}  # fmt: skip


def described(client: sdk.Notifications, name: str) -> Call[Any]:
    """The first call that the method makes."""
    _, positional, named = METHODS[name]
    owner_name, _, method = name.rpartition(".")
    owner = attrgetter(owner_name)(client) if owner_name else client
    found = inspect.getattr_static(type(owner), method).describe(owner, *positional, **named)
    call = found.first if isinstance(found, Listing) else next(iter(found))
    assert isinstance(call, Call)
    return call

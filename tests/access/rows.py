"""Who gets which answer on which route: a row for every route of every service.

A new route needs a row (`make check` says so): find the columns of a route like it, and change what is different. Words in
braces, in paths and bodies alike, are filled in from `tests.access.world.Things`.
"""

from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]
CALLERS = (
    "nobody", "user", "other_user", "key_without_scope", "key_with_scope", "foreign_key", "admin", "service",
    "other_service", "service_elsewhere", "expired", "revoked_key", "logged_out", "ended_session",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """`route` is a method and a path. `statuses` are by caller.

    `key_with_scope` has `scope` and nothing else. With `used_up`, a success takes away what the path names: everybody gets
    things of their own. A `page` is for browsers, and in no OpenAPI document. `service` is the first of `by`,
    `other_service` none of them. With `of_contact`, `{user_id}` is a contact of the application that the first two keys are
    of.
    """

    route: str
    statuses: Json
    scope: str = ""
    body: object = None
    used_up: bool = False
    query: str = ""
    of_contact: bool = False
    by: tuple[str, ...] = ("api-gateway",)
    page: bool = False

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.route.partition(" ")[2]

    @property
    def is_public(self) -> bool:
        return self.path.startswith("/api/v1/")

    @property
    def refusals(self) -> "Row":
        return replace(self, statuses={caller: status for caller, status in self.statuses.items() if status >= 400})

    @property
    def ends_session(self) -> bool:
        """The caller's own."""
        return self.path.endswith("/auth/logout")


@dataclass(frozen=True, slots=True)
class For:
    """The statuses of those whom a route can know; nobody else is let in.

    `user` is whom the thing belongs to or goes to, `foreign` a key of another application with every scope but `admin`.
    """

    user: int
    other: int
    without: int
    key: int
    foreign: int
    admin: int
    scope: str = field(default="", kw_only=True)

    def row(self, route: str, body: object = None, *, used_up: bool = False, of_contact: bool = False) -> Row:
        known = {
            "user": self.user,
            "other_user": self.other,
            "key_without_scope": self.without,
            "key_with_scope": self.key,
            "foreign_key": self.foreign,
            "admin": self.admin,
        }
        statuses = {caller: known.get(caller, 401) for caller in CALLERS}
        return Row(route, statuses, self.scope, body, used_up=used_up, of_contact=of_contact)


def anybody(route: str, status: int = 200, body: object = None, *, page: bool = False) -> Row:
    """Credentials are not asked for, and bad ones do not matter."""
    return Row(route, dict.fromkeys(CALLERS, status), body=body, page=page)


def services_only(
    route: str, status: int = 200, body: object = None, query: str = "", by: tuple[str, ...] = ("api-gateway",)
) -> Row:
    services = {"service": status, "other_service": 403}
    return Row(route, {caller: services.get(caller, 401) for caller in CALLERS}, body=body, query=query, by=by)


READERS = ("api-gateway", "email-service", "push-service")  # of users and templates


def of_one_s_own(scope: str, status: int = 200) -> For:
    """A user's own; a key needs the scope, whichever application it is of."""
    return For(status, 404, 403, status, status, status, scope=scope)


def of_one_application(scope: str, status: int = 200) -> For:
    """A contact: its application's and the administrators' alone."""
    return For(404, 404, 403, status, 404, status, scope=scope)


def of_applications(scope: str, status: int = 200) -> For:
    """What belongs to nobody in particular: users have no business there."""
    return For(403, 403, 403, status, status, status, scope=scope)


def of_admins(status: int = 200) -> For:
    """A key needs the scope `admin`, which nobody gives away by accident."""
    return For(403, 403, 403, status, 403, status, scope="admin")


COMMON = (
    anybody("GET /", 307),
    anybody("GET /health"),
    anybody("GET /health/live"),
    anybody("GET /health/readiness"),
    anybody("GET /api/v1/health"),
    anybody("GET /metrics"),
    anybody("GET /docs"),
    anybody("GET /api/docs"),
    anybody("GET /openapi.json"),
)
USERS, USER, EXTERNAL = "/api/v1/users", "/api/v1/users/{user_id}", "/api/v1/users/external/{external_id}"
BOTH = {"email": True, "push": True}
CONTACT = {"name": "Ada", "email": "{unique}@example.com"}
USER_SERVICE = (
    anybody(f"POST {USERS}", 422, {}),
    of_applications("users:read").row(f"GET {USERS}"),
    For(403, 403, 403, 200, 200, 403, scope="users:write").row(
        f"POST {USERS}/bulk", {"contacts": [{**CONTACT, "external_id": "{unique}"}]}
    ),
    For(403, 403, 403, 200, 200, 403, scope="users:read").row(
        f"POST {USERS}/find", {"external_ids": ["{external_id}"]}
    ),
    For(403, 403, 403, 200, 404, 403, scope="users:read").row(f"GET {EXTERNAL}"),
    For(403, 403, 403, 200, 201, 403, scope="users:write").row(f"PUT {EXTERNAL}", CONTACT, used_up=True),
    of_one_application("users:read").row(f"GET {USER}", of_contact=True),
    of_one_application("users:write").row(f"PATCH {USER}", {"name": "Ada"}, of_contact=True),
    of_one_application("users:read").row(f"GET {USER}/preferences", of_contact=True),
    of_one_application("users:write").row(f"PUT {USER}/preferences", BOTH, of_contact=True),
    of_one_application("users:write").row(f"DELETE {USER}", of_contact=True, used_up=True),
    of_one_application("users:read").row(f"GET {USER}/export", of_contact=True),
    For(200, 404, 403, 404, 404, 200, scope="users:read").row(f"GET {USER}/export"),
    For(403, 403, 403, 404, 404, 404, scope="users:read").row("GET /api/v1/erasures/{erasure_id}"),
    of_one_s_own("users:read").row(f"GET {USER}"),
    of_one_s_own("users:write").row(f"PATCH {USER}", {"name": "Ada"}),
    of_one_s_own("users:write").row(f"PUT {USER}", {"name": "Ada", "email": "{email}"}),
    of_admins().row(f"POST {USER}/disable", used_up=True),
    of_admins().row(f"POST {USER}/enable"),
    of_one_s_own("users:write").row(f"DELETE {USER}", used_up=True),
    of_one_s_own("users:read").row(f"GET {USER}/preferences"),
    of_one_s_own("users:write").row(f"PUT {USER}/preferences", BOTH),
    of_one_s_own("users:write").row(f"PATCH {USER}/preferences", BOTH),
    of_one_s_own("users:read").row(f"GET {USER}/push-tokens"),
    of_one_s_own("users:read").row(f"GET {USER}/removed-push-tokens"),
    of_one_s_own("users:write", 201).row(f"POST {USER}/push-tokens", {"push_token": "{unique}"}),
    of_one_s_own("users:write").row(f"PUT {USER}/push-token", {"push_token": "{unique}"}, used_up=True),
    of_one_s_own("users:write").row(f"DELETE {USER}/push-tokens", {"token": "{push_token}"}, used_up=True),
    of_one_s_own("users:write").row(f"DELETE {USER}/push-tokens/{{token_id}}", used_up=True),
    of_one_s_own("users:write").row(f"GET {USER}/sessions"),
    of_one_s_own("users:write").row(f"DELETE {USER}/sessions/{{session_id}}", used_up=True),
    of_one_s_own("users:write").row(f"DELETE {USER}/sessions", used_up=True),
    anybody("POST /api/v1/auth/login", 422, {}),
    anybody("POST /api/v1/auth/refresh", 422, {}),
    For(200, 200, 403, 403, 403, 200).row("POST /api/v1/auth/logout", used_up=True),
    For(200, 200, 403, 403, 403, 200).row("GET /api/v1/auth/me"),
    anybody("POST /api/v1/auth/password-reset", 422, {}),
    anybody("POST /api/v1/auth/password-reset/confirm", 422, {}),
    anybody("POST /api/v1/auth/verify-email", 422, {}),
    For(202, 202, 403, 403, 403, 202).row("POST /api/v1/auth/verify-email/resend"),
    anybody("POST /api/v1/auth/confirm-address", 422, {}),
    anybody("POST /api/v1/auth/take-back-address", 422, {}),
    For(403, 404, 403, 403, 403, 403, scope="users:write").row(f"POST {USER}/totp", {"current_password": "x"}),
    For(404, 404, 403, 403, 403, 403, scope="users:write").row(f"POST {USER}/totp/confirm", {"code": "000000"}),
    For(404, 404, 403, 403, 403, 404, scope="users:write").row(f"DELETE {USER}/totp"),
    of_admins(201).row("POST /api/v1/applications", {"name": "{unique}"}),
    of_admins().row("GET /api/v1/applications"),
    of_admins().row("GET /api/v1/applications/{application_id}"),
    of_admins().row("PATCH /api/v1/applications/{application_id}", {"name": "matrix"}),
    of_admins().row("DELETE /api/v1/applications/{application_id}", used_up=True),
    of_admins(201).row("POST /api/v1/api-keys", {"name": "matrix", "application_id": "{application_id}"}),
    of_admins().row("GET /api/v1/api-keys"),
    of_admins(201).row("POST /api/v1/api-keys/{key_id}/rotate", used_up=True),
    of_admins().row("DELETE /api/v1/api-keys/{key_id}", used_up=True),
    anybody("GET /.well-known/jwks.json"),
    anybody("GET /api/v1/push/vapid-key"),
    anybody("GET /api/v1/unsubscribe/{token}", 404, page=True),
    anybody("POST /api/v1/unsubscribe/{token}", 404, page=True),
    services_only("GET /internal/users/{user_id}", by=READERS),
    services_only("GET /internal/audit"),
    services_only("POST /internal/users/find", body={"ids": ["{user_id}"]}, by=READERS),
    services_only("POST /internal/users/find-by-address", body={"email": "ada@example.com"}),
    services_only(
        "POST /internal/users/{user_id}/push-tokens/remove", body={"token": "{unique}"}, by=("push-service",)
    ),
    services_only("POST /internal/api-keys/find", 404, {"hash": "0" * 64}, by=("api-gateway", "template-service")),
)
TEMPLATES, TEMPLATE = "/api/v1/templates", "/api/v1/templates/{code}"
SNIPPETS, SNIPPET = "/api/v1/snippets", "/api/v1/snippets/{snippet}"
CONTENT = {"name": "Matrix", "content": "<p>Hello</p>"}
REF = {"code": "{code}", "language": "en", "version": 1}
TEMPLATE_SERVICE = (
    of_applications("templates:read").row(f"GET {TEMPLATES}"),
    of_applications("templates:write", 201).row(f"POST {TEMPLATES}", {**CONTENT, "code": "{unique}"}),
    of_applications("templates:read").row(f"POST {TEMPLATES}/render", {"content": "<p>Hello</p>"}),
    of_applications("templates:read").row(f"GET {TEMPLATE}"),
    of_applications("templates:write").row(f"PUT {TEMPLATE}", CONTENT),
    of_applications("templates:write").row(f"PATCH {TEMPLATE}", CONTENT),
    of_applications("templates:write").row(f"DELETE {TEMPLATE}", used_up=True),
    of_applications("templates:read").row(f"POST {TEMPLATE}/render", {}),
    of_applications("templates:read").row(f"GET {TEMPLATE}/versions"),
    of_applications("templates:write").row(f"POST {TEMPLATE}/versions/{{version}}/activate"),
    of_applications("templates:write").row(f"POST {TEMPLATE}/refresh"),
    of_applications("templates:read").row(f"GET {SNIPPETS}"),
    of_applications("templates:write", 201).row(f"POST {SNIPPETS}", {"name": "{unique}", "content": "Hello"}),
    of_applications("templates:read").row(f"GET {SNIPPET}"),
    of_applications("templates:write").row(f"PUT {SNIPPET}", {"content": "Hello"}),
    of_applications("templates:write").row(f"DELETE {SNIPPET}", used_up=True),
    of_applications("templates:read").row(f"GET {SNIPPET}/versions"),
    of_applications("templates:read").row(f"GET {SNIPPET}/templates"),
    services_only("GET /internal/audit"),
    services_only("POST /internal/templates/find", body={}, by=READERS),
    services_only("POST /internal/templates/trials", body={"before": REF, "after": REF, "payloads": []}),
    services_only("POST /internal/templates/push-texts", body={"payloads": [{"template": REF, "variables": {}}]}),
    services_only("GET /internal/templates/{code}", by=READERS),
    services_only("GET /internal/templates/{code}/active", by=READERS),
)
NOTIFICATIONS, NOTIFICATION = "/api/v1/notifications", "/api/v1/notifications/{notification_id}"
REQUEST = {"notification_type": "email", "user_id": "{user_id}", "template_code": "{code}"}
THIS_ONE = {"notification_ids": ["{notification_id}"]}
REPORT = {"notification_id": "{notification_id}", "status": "delivered"}
GATEWAY = (
    services_only("POST /internal/notifications", 422, {}, by=("user-service",)),
    services_only("POST /internal/erasures", body={"user_id": "{erasure_id}"}, by=("user-service",)),
    services_only("GET /internal/attachments/{attachment_id}", 404, by=("email-service",)),
    services_only("POST /internal/exports", body={"user_id": "{user_id}"}, by=("user-service",)),
    of_applications("notifications:write", 202).row(f"POST {NOTIFICATIONS}", REQUEST),
    For(403, 403, 403, 202, 404, 202, scope="notifications:write").row(
        f"POST {NOTIFICATIONS}", REQUEST, of_contact=True
    ),
    of_applications("notifications:write", 202).row(f"POST {NOTIFICATIONS}/batch", {"notifications": [REQUEST]}),
    For(200, 200, 403, 200, 200, 200, scope="notifications:read").row(f"GET {NOTIFICATIONS}"),
    For(200, 404, 403, 200, 404, 200, scope="notifications:read").row(f"GET {NOTIFICATION}"),
    For(200, 404, 403, 200, 404, 200, scope="notifications:read").row(f"GET {NOTIFICATION}/status"),
    For(403, 404, 403, 200, 404, 200, scope="notifications:write").row(f"DELETE {NOTIFICATION}", used_up=True),
    For(403, 403, 403, 409, 404, 409, scope="notifications:write").row(f"POST {NOTIFICATION}/retry"),
    For(403, 403, 403, 409, 404, 409, scope="status:write").row("POST /api/v1/email/status", REPORT),
    For(403, 403, 403, 404, 404, 404, scope="status:write").row("POST /api/v1/push/status", REPORT),
    of_applications("notifications:read").row("GET /api/v1/failed"),
    of_applications("notifications:write", 202).row(
        "POST /api/v1/failed/replay", {"notification_ids": ["{notification_id}"]}
    ),
    of_applications("notifications:read").row("GET /api/v1/reconcile"),
    of_applications("notifications:read").row("GET /api/v1/statistics"),
    services_only("GET /internal/holds", by=("email-service", "push-service")),
    of_applications("notifications:write", 201).row("POST /api/v1/holds", {"template_code": "{unique}", "reason": "x"}),
    of_applications("notifications:read").row("GET /api/v1/holds"),
    of_applications("notifications:read", 404).row("GET /api/v1/holds/{hold_id}"),
    of_applications("notifications:write", 404).row("DELETE /api/v1/holds/{hold_id}"),
    of_applications("notifications:write", 404).row("POST /api/v1/holds/{hold_id}/cancel"),
    # Needs both scopes: `templates:read` and `notifications:read`.
    For(403, 403, 403, 403, 200, 200, scope="templates:read").row(f"POST {TEMPLATE}/trials", {"version": 1}),
    of_admins().row("GET /api/v1/audit"),
    of_admins().row("GET /api/v1/system"),
    of_admins().row("GET /api/v1/suppressions"),
    of_admins().row("POST /api/v1/suppressions", {"emails": ["{unique}@example.com"]}),
    of_admins(422).row("POST /api/v1/suppressions/import", {}),
    of_admins().row("GET /api/v1/suppressions/export"),
    of_admins(404).row("GET /api/v1/suppressions/{fingerprint}"),
    of_admins(404).row("DELETE /api/v1/suppressions/{fingerprint}"),
    of_admins().row("POST /api/v1/bounces", {}),
)
LEDGER = (
    services_only("GET /internal/ledger", query="first={notification_id}&last={notification_id}"),
    services_only("POST /internal/ledger/find", body={"ids": ["{notification_id}"]}),
    services_only("POST /internal/ledger/erase", body={"ids": ["{erasure_id}"]}),
)
PUSH_TOKENS = (services_only("POST /internal/push-tokens/validate", body={"token": "{unique}"}, by=("user-service",)),)
SUPPRESSIONS = (
    services_only("GET /internal/suppressions/{fingerprint}", 404),
    services_only("DELETE /internal/suppressions/{fingerprint}", 404),
    services_only("GET /internal/suppressions", query="limit=20&offset=0"),
    services_only("POST /internal/suppressions", body={"emails": ["{unique}@example.com"]}),
    services_only("GET /internal/suppression-export", query="limit=20"),
    services_only("POST /internal/bounces", body={}),
)
WEBHOOKS = (anybody("POST /api/v1/webhooks/{provider}", 404, {}),)
ROWS: dict[str, tuple[Row, ...]] = {
    "api-gateway": (*COMMON, *GATEWAY),
    "user-service": (*COMMON, *USER_SERVICE),
    "template-service": (*COMMON, *TEMPLATE_SERVICE),
    "email-service": (*COMMON, *LEDGER, *SUPPRESSIONS, *WEBHOOKS),
    "push-service": (*COMMON, *LEDGER, *PUSH_TOKENS),
}
FORWARDED = tuple(
    row.refusals if row.used_up else row for row in (*USER_SERVICE, *TEMPLATE_SERVICE, *WEBHOOKS) if row.is_public
)
"""Asked of the gateway, too, which forwards them. Successes that use something up are for their owner to show."""

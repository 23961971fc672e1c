"""Access tokens: who issues them, for whom, and what an API key may be allowed."""

from typing import Literal, get_args

ACCESS_ISSUER = "user-service"
ACCESS_AUDIENCE = "notification-system"

Scope = Literal[
    "admin",
    "notifications:read",
    "notifications:write",
    "notifications:urgent",
    "status:write",
    "templates:read",
    "templates:write",
    "users:read",
    "users:write",
]
SCOPES: tuple[str, ...] = get_args(Scope)

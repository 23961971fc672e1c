"""Sessions: where a user is logged in."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from user_service.repositories.sessions import StoredSession
from user_service.schemas.examples import shown


class SessionView(BaseModel):
    """One login. `expires_at` moves with each refresh. `current`: the access token of this request is of it."""

    model_config = shown(
        {
            "id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d",
            "created_at": "2026-01-01T12:00:00Z",
            "expires_at": "2026-01-31T12:00:00Z",
            "current": True,
        }
    )

    id: UUID
    created_at: datetime
    expires_at: datetime
    current: bool

    @classmethod
    def of(cls, session: StoredSession, current: str | None) -> "SessionView":
        return cls(
            id=session.id,
            created_at=session.created_at,
            expires_at=session.expires_at,
            current=session.id.hex == current,
        )

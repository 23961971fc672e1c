"""What can be asked for in the query."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.addresses import Email
from user_service.schemas.fields import PushTokenText


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    page: int = Field(default=1, ge=1, lt=1_000_000)
    limit: int = Field(default=20, ge=1, le=100)

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


class UsersQuery(PageQuery):
    email: Email | None = Field(default=None, description="Exactly this address")
    role: Literal["admin", "user"] | None = None


class ApiKeysQuery(PageQuery):
    application_id: UUID | None = Field(default=None, description="Only this application's keys")


class PushTokenQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: PushTokenText | None = Field(default=None, description="For clients that cannot send a body")

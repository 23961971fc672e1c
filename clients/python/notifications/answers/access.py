"""Applications, API keys, and logins. `repr` shows no secret."""

from datetime import datetime

from pydantic import Field

from notifications.answers.base import AnswerModel


class Sender(AnswerModel):
    """From and Reply-To of an application's or a template's e-mails."""

    from_name: str | None = None
    from_email: str | None = None
    reply_to: str | None = None


class Application(AnswerModel):
    """`channels` and `rate_limit_per_minute` are None: no limit of its own."""

    id: str
    name: str
    owner_id: str | None
    channels: list[str] | None
    rate_limit_per_minute: int | None
    sender: Sender | None
    disabled: bool
    created_at: datetime
    updated_at: datetime


class ApiKey(AnswerModel):
    """`prefix` is the part of the key that may be shown."""

    id: str
    name: str
    prefix: str
    application_id: str
    owner_id: str
    scopes: list[str]
    test: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewApiKey(ApiKey):
    """`key` is shown this once."""

    key: str = Field(repr=False)


class Tokens(AnswerModel):
    """`expires_in` is in seconds. A refresh token works once."""

    access_token: str = Field(repr=False)
    refresh_token: str = Field(repr=False)
    token_type: str
    expires_in: int

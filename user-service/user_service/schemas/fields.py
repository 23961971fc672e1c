"""Field types, query models, and examples for the API's documentation."""

from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from chassis.fields import storable
from chassis.http.paging import PageQuery
from contracts.addresses import Email
from contracts.users import PushTokenText


def shown(*examples: Any) -> ConfigDict:
    """A model configuration with these examples, given as JSON values."""
    return ConfigDict(json_schema_extra={"examples": list(examples)})


def _storable_secret(secret: SecretStr) -> SecretStr:
    storable(secret.get_secret_value())
    return secret


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset((files("user_service") / "data" / "common_passwords.txt").read_text().splitlines())


def _uncommon(secret: SecretStr) -> SecretStr:
    """A password must be long and uncommon (NIST SP 800-63B, 3.1.1.2). There is no rule about its characters."""
    if secret.get_secret_value().lower() in _common_passwords():
        raise ValueError("is one of the passwords that are guessed first")
    return secret


# Only characters that are safe in a URL path.
ExternalId = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._:@|+~=-]*$")
]

# The limit counts characters, not bytes: argon2id uses all of them.
NewPassword = Annotated[
    SecretStr, Field(min_length=10, max_length=128), AfterValidator(_storable_secret), AfterValidator(_uncommon)
]
GivenPassword = Annotated[SecretStr, Field(min_length=1, max_length=128), AfterValidator(_storable_secret)]


class UsersQuery(PageQuery):
    email: Email | None = Field(default=None, description="Only users with exactly this address")
    role: Literal["admin", "user"] | None = None


class ApiKeysQuery(PageQuery):
    application_id: UUID | None = Field(default=None, description="Only this application's keys")


class PushTokenQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: PushTokenText | None = Field(default=None, description="For clients that cannot send a body")

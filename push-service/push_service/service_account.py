"""The service account that sends for us: Google's JSON key file, as far as a JWT-bearer grant needs it."""

from functools import cached_property
from typing import Annotated, Literal
from urllib.parse import urlsplit

from jose import jwk
from jose.backends.base import Key
from jose.exceptions import JWKError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

SIGNATURE = "RS256"


class ServiceAccount(BaseModel):
    """Google's names. `project_id` becomes part of a path, so it is held to what Google allows in one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["service_account"]
    project_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.:\-]{0,99}$")]
    private_key_id: str = ""
    private_key: SecretStr
    client_email: Annotated[str, Field(min_length=3)]
    token_uri: str

    @cached_property
    def signing_key(self) -> Key:
        """Raises JWKError when the key cannot sign as RSA."""
        key = jwk.construct(self.private_key.get_secret_value(), SIGNATURE)
        key.sign(b"a public or a foreign kind of key is found out here, not at the first notification")
        return key


def read_service_account(text: str | bytes) -> ServiceAccount:
    """Raises ValueError, in words without a value of the file, for anything but a service account's key."""
    try:
        account = ServiceAccount.model_validate_json(text)
    except ValidationError as error:
        fields = {".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)}
        raise ValueError(
            f"is not a service account's key: see {', '.join(sorted(fields - {''})) or 'its JSON'}"
        ) from None
    try:
        _ = account.signing_key
    except JWKError:
        raise ValueError("is not a service account's key: private_key is no RSA private key") from None
    return account


def is_plain_http(url: str) -> bool:
    """Raises ValueError unless it is an absolute http or https URL without credentials, query or fragment."""
    parts = urlsplit(url)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise ValueError("is no http(s) URL")
    return parts.scheme == "http"


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}

"""The names of the services, and the keys that authenticate them to each other."""

from typing import Annotated, ClassVar, Final, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from chassis.security.service_keys import ServiceKey, development_key, parse_public_keys
from chassis.settings import DatabaseSettings

# The services' names in their tokens: the issuer and the audience.
API_GATEWAY: Final = "api-gateway"
USER_SERVICE: Final = "user-service"
TEMPLATE_SERVICE: Final = "template-service"
EMAIL_SERVICE: Final = "email-service"
PUSH_SERVICE: Final = "push-service"
SERVICES = (API_GATEWAY, USER_SERVICE, TEMPLATE_SERVICE, EMAIL_SERVICE, PUSH_SERVICE)
API_KEY_READERS = (API_GATEWAY, TEMPLATE_SERVICE)  # services that cache identities (chassis.security.api_key_cache)


def _parsed(given: object) -> object:
    return parse_public_keys(given) if isinstance(given, str) else given


def _development_public_keys() -> dict[str, str]:
    return {development_key(service).public: service for service in SERVICES}


class PeerSettings(DatabaseSettings):
    """`service` is the service's name; each service's own settings set it and need its SERVICE_PRIVATE_KEY."""

    service: ClassVar[str]

    service_private_key: SecretStr = Field(
        description="The service's Ed25519 key, in base64url. It signs the service's tokens for other services"
    )
    service_public_keys: Annotated[dict[str, str], NoDecode, BeforeValidator(_parsed)] = Field(
        default_factory=_development_public_keys,
        description="Whom the service believes: service:key pairs with commas between them, several of one service while its "
        "key is changed",
    )

    @property
    def service_key(self) -> ServiceKey:
        return ServiceKey(self.service, self.service_private_key.get_secret_value())

    @property
    def weak_keys(self) -> list[str]:
        known = self.service_public_keys.keys() & _development_public_keys().keys()
        return [*super().weak_keys, *(["SERVICE_PUBLIC_KEYS"] if known else [])]

    @model_validator(mode="after")
    def _has_a_key_that_others_know(self) -> Self:
        """A service whose key the other services do not know would be refused by all of them, so it does not start."""
        try:
            key = self.service_key
        except ValueError as error:
            raise ValueError(f"SERVICE_PRIVATE_KEY {error}") from None
        if self.service_public_keys.get(key.public) != self.service:
            raise ValueError(f"SERVICE_PUBLIC_KEYS has not {self.service}'s key of SERVICE_PRIVATE_KEY")
        return self

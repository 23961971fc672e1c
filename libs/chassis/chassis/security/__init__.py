"""Authentication: tokens, keys, identities, and the dependencies that routes use."""

from chassis.security.api_keys import RemoteApiKeys, api_key_cache, hash_api_key, identity_json, new_api_key
from chassis.security.dependencies import (
    Admin,
    Caller,
    authenticate,
    calling_service,
    identity_of,
    require,
    require_admin,
)
from chassis.security.identity import (
    ApiKeyDirectory,
    Authenticator,
    Identity,
    Sender,
    application_of,
    callers_of_application,
    is_test_caller,
)
from chassis.security.jwks import Jwks
from chassis.security.jwt import TokenKind, sign
from chassis.security.keys import (
    KeySource,
    SharedSecret,
    SigningKey,
    VerificationKey,
    generate_es256_key,
    public_jwk,
)
from chassis.security.revocation import RevokedTokens
from chassis.security.service_tokens import ServiceCallers, ServiceTokens
from chassis.security.tokens import Claims, Role, TokenVerifier

__all__ = [
    "Admin",
    "ApiKeyDirectory",
    "Authenticator",
    "Caller",
    "Claims",
    "Identity",
    "Jwks",
    "KeySource",
    "RemoteApiKeys",
    "RevokedTokens",
    "Role",
    "Sender",
    "ServiceCallers",
    "ServiceTokens",
    "SharedSecret",
    "SigningKey",
    "TokenKind",
    "TokenVerifier",
    "VerificationKey",
    "api_key_cache",
    "application_of",
    "authenticate",
    "callers_of_application",
    "calling_service",
    "generate_es256_key",
    "hash_api_key",
    "identity_json",
    "identity_of",
    "is_test_caller",
    "new_api_key",
    "public_jwk",
    "require",
    "require_admin",
    "sign",
]

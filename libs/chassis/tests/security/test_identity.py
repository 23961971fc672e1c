import uuid
from dataclasses import replace

import fakeredis
import pytest

from chassis.errors import Unauthorized, Unavailable
from chassis.security import Authenticator, Identity, RevokedTokens, application_of, new_api_key

USER = Identity("user", "42", "42", "user", frozenset({"notifications:write"}))
ADMIN = Identity("user", "1", "1", "admin", frozenset())
ADMINS_NARROW_KEY = Identity("api_key", "k1", "1", "admin", frozenset({"notifications:write"}))
ADMIN_KEY = Identity("api_key", "k2", "42", "user", frozenset({"admin"}))


def test_callers_are_named_by_kind():
    assert [identity.caller for identity in (USER, ADMINS_NARROW_KEY)] == ["user:42", "key:k1"]


def test_a_caller_says_which_application_it_is():
    keys = [replace(ADMINS_NARROW_KEY, application_id="a:1", test=test) for test in (False, True)]
    assert [application_of(key.caller) for key in keys] == ["a:1", "a:1"]
    assert [application_of(caller) for caller in (ADMINS_NARROW_KEY.caller, USER.caller, "service:key:x")] == [
        "k1",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("identity", "admin"), [(USER, False), (ADMIN, True), (ADMINS_NARROW_KEY, False), (ADMIN_KEY, True)]
)
def test_administrators_are_users_by_role_and_keys_by_scope(identity, admin):
    assert identity.is_admin is admin
    assert identity.allows("anything") is admin
    assert identity.allows("admin") is admin
    assert identity.allows("notifications:write")


def test_scopes_are_compared_whole():
    key = Identity("api_key", "k", "42", "user", frozenset({"notifications:*", "templates"}))
    assert not key.allows("notifications:write")
    assert not key.allows("templates:write")
    assert not key.allows("")


def test_a_users_token_is_not_made_an_administrators_by_a_scope():
    user = Identity("user", "42", "42", "user", frozenset({"admin"}))
    assert not user.is_admin
    assert not user.allows("admin")


class Directory:
    """Knows one key."""

    def __init__(self):
        self.key = new_api_key()
        self.down = False

    async def find(self, key):
        if self.down:
            raise Unavailable
        return ADMINS_NARROW_KEY if key == self.key else None


@pytest.fixture
def directory():
    return Directory()


@pytest.fixture
async def revoked(wall_clock):
    redis = fakeredis.FakeAsyncRedis()
    yield RevokedTokens(redis, wall_clock=wall_clock)
    await redis.aclose()


@pytest.fixture
def authenticator(verifier, directory, revoked):
    return Authenticator(verifier, directory, revoked)


async def test_a_token_gives_its_user(authenticator, issuer):
    token = issuer.token(payload=issuer.claims(scope="notifications:write"))
    assert await authenticator.authenticate(f"Bearer {token}", None) == USER


async def test_a_key_gives_its_owner_in_either_header(authenticator, directory):
    assert await authenticator.authenticate(f"Bearer {directory.key}", None) == ADMINS_NARROW_KEY
    assert await authenticator.authenticate(None, directory.key) == ADMINS_NARROW_KEY


async def test_an_unknown_key_is_unauthorized(authenticator):
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(None, new_api_key())


async def test_a_key_that_cannot_be_looked_up_is_not_called_invalid(authenticator, directory):
    directory.down = True
    with pytest.raises(Unavailable):
        await authenticator.authenticate(None, directory.key)


async def test_a_bad_token_is_not_saved_by_a_good_key(authenticator, directory, issuer):
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(f"Bearer {issuer.token(secret='x' * 64)}", directory.key)


async def test_a_revoked_token_is_refused_in_every_spelling(authenticator, issuer, revoked):
    jti = uuid.uuid4().hex
    token = issuer.token(payload=issuer.claims(jti=jti))
    assert await authenticator.authenticate(f"Bearer {token}", None)
    await revoked.revoke({jti: issuer.clock() + 600})
    for spelling in (token, f"{token}x", f"{token}=", f"{token}.", f"{token}.x", f" {token}", f"{token} "):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(f"Bearer {spelling}", None)


async def test_without_a_deny_list_tokens_are_good_until_they_expire(verifier, directory, issuer):
    authenticator = Authenticator(verifier, directory, None)
    assert await authenticator.authenticate(f"Bearer {issuer.token()}", None)

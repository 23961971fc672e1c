import pytest

from chassis.errors import Unauthorized
from chassis.security import new_api_key
from chassis.security.credentials import ApiKey, BearerToken, credential_of

KEY = new_api_key()


@pytest.mark.parametrize(
    ("authorization", "api_key", "credential"),
    [
        ("Bearer a.b.c", None, BearerToken("a.b.c")),
        ("bearer a.b.c", None, BearerToken("a.b.c")),
        ("BEARER  a.b.c ", None, BearerToken("a.b.c")),
        (f"Bearer {KEY}", None, ApiKey(KEY)),
        (None, KEY, ApiKey(KEY)),
        ("Bearer a.b.c", KEY, BearerToken("a.b.c")),
    ],
)
def test_a_token_or_a_key_is_accepted_in_its_places(authorization, api_key, credential):
    assert credential_of(authorization, api_key) == credential


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearera.b.c", None),
        ("Basic dXNlcjpwYXNz", None),
        ("Basic dXNlcjpwYXNz", KEY),
        (f"Bearer {'x' * 9_000}", None),
        ("Bearer nk_short", None),
        (None, ""),
        (None, "nk_short"),
        (None, "a.b.c"),
        (None, f"{KEY}\n"),
        (None, f"{KEY}!"),
        (None, f"nk_{'x' * 129}"),
        (None, KEY.upper()),
    ],
)
def test_anything_else_is_unauthorized(authorization, api_key):
    with pytest.raises(Unauthorized) as refusal:
        credential_of(authorization, api_key)
    assert refusal.value.headers["WWW-Authenticate"] == "Bearer"

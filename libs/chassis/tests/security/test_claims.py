import json

import pytest

from chassis.errors import Unauthorized
from chassis.security import TokenKind
from chassis.security.tokens import check_claims, read_claims

NOW = 1_800_000_000


def payload(**changes):
    good = {"iss": "i", "sub": "42", "aud": "a", "iat": NOW, "exp": NOW + 600}
    return json.dumps({name: value for name, value in {**good, **changes}.items() if value is not ...}).encode()


def read(**changes):
    return read_claims(payload(**changes), TokenKind.ACCESS)


def test_the_claims_are_read():
    claims = read(jti="t", sid="s", role="admin", scope="notifications:read notifications:write", unknown=[1])
    assert (claims.subject, claims.issuer, claims.audience) == ("42", "i", "a")
    assert (claims.issued_at, claims.expires_at) == (NOW, NOW + 600)
    assert (claims.token_id, claims.session_id) == ("t", "s")
    assert (claims.role, claims.kind) == ("admin", TokenKind.ACCESS)
    assert claims.scopes == {"notifications:read", "notifications:write"}


def test_without_role_and_scope_a_token_is_a_users_and_allows_nothing():
    assert (read().role, read().scopes, read().token_id) == ("user", frozenset(), None)


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "iat", "exp"])
def test_every_one_of_the_five_claims_is_required(claim):
    with pytest.raises(Unauthorized):
        read(**{claim: ...})


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        *(("exp", value) for value in (None, "9999999999", 1.8e9, True, [], {}, -1, 0, 10**30, 2**40)),
        *(("iat", value) for value in (None, str(NOW), 1.5, False, [], 10**400)),
        *(("nbf", value) for value in ("0", 1.5, True)),
        *(("sub", value) for value in (None, 42, "", [], "x" * 257)),
        *(("aud", value) for value in (None, ["a"], 1, "")),
        *(("iss", value) for value in (None, ["i"], "")),
        *(("jti", value) for value in (1, "", [])),
        *(("sid", value) for value in (1, "", [])),
        *(("role", value) for value in ("root", "Admin", "", 1, None, ["admin"])),
        *(("scope", value) for value in (["a"], 1, None, "x" * 2049)),
    ],
)
def test_a_claim_of_another_type_is_refused(claim, value):
    with pytest.raises(Unauthorized):
        read(**{claim: value})


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'"a"', b"[" * 100_000, b'{"exp":' + b"9" * 100_000 + b"}", b"\xff"])
def test_no_payload_whatever_raises_anything_but_unauthorized(raw):
    with pytest.raises(Unauthorized):
        read_claims(raw, TokenKind.ACCESS)


def test_a_token_is_good_until_the_second_it_expires():
    check_claims(read(), issuer="i", audience="a", now=NOW + 599.9)
    with pytest.raises(Unauthorized) as refusal:
        check_claims(read(), issuer="i", audience="a", now=NOW + 600)
    assert refusal.value.code == "token_expired"


@pytest.mark.parametrize("expected", [{"issuer": "other"}, {"audience": "other"}])
def test_a_token_for_others_is_refused(expected):
    with pytest.raises(Unauthorized):
        check_claims(read(), **{"issuer": "i", "audience": "a", **expected}, now=NOW)


def test_a_token_from_the_future_is_refused_but_for_a_minute_of_skew():
    check_claims(read(iat=NOW + 59), issuer="i", audience="a", now=NOW)
    for changes in ({"iat": NOW + 61}, {"nbf": NOW + 61}):
        with pytest.raises(Unauthorized):
            check_claims(read(**changes), issuer="i", audience="a", now=NOW)

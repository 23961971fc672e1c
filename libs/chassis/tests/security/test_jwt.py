import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Unauthorized
from chassis.security import SharedSecret, TokenKind, generate_es256_key, sign
from chassis.security.jwt import MAX_TOKEN_CHARACTERS, sign_for_service, take_apart
from chassis.security.service_keys import development_key


@pytest.fixture(params=["HS256", "ES256"])
def key(request, secret):
    return SharedSecret(secret).signing_key if request.param == "HS256" else generate_es256_key()


def test_a_signed_token_can_be_parsed(key):
    token = take_apart(sign({"sub": "42"}, key), TokenKind.ACCESS)
    assert (token.algorithm, token.kid, token.payload) == (key.algorithm, key.kid, b'{"sub":"42"}')
    public = key.jose_key.public_key() if key.algorithm == "ES256" else key.jose_key
    assert public.verify(token.signed, token.signature)


def test_tokens_of_one_kind_are_not_of_the_other(key):
    service = sign_for_service({}, development_key("a"))
    assert take_apart(service, TokenKind.SERVICE)
    with pytest.raises(Unauthorized):
        take_apart(service, TokenKind.ACCESS)
    with pytest.raises(Unauthorized):
        take_apart(sign({}, key), TokenKind.SERVICE)


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("access+jwt", "EdDSA"), ("service+jwt", "HS256"), ("service+jwt", "ES256")]
)
def test_a_kind_has_its_own_algorithms(issuer, kind, algorithm):
    with pytest.raises(Unauthorized):
        take_apart(issuer.token(header={"alg": algorithm, "typ": kind, "kid": "shared"}), TokenKind(kind))


DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def changed_headers():
    good = {"alg": "HS256", "typ": "access+jwt", "kid": "shared"}
    yield "no alg", {"typ": "access+jwt", "kid": "shared"}
    yield "no typ", {"alg": "HS256", "kid": "shared"}
    yield "no kid", {"alg": "HS256", "typ": "access+jwt"}
    for name, change in {
        "none": {"alg": "none"},
        "NONE": {"alg": "NONE"},
        "RS256": {"alg": "RS256"},
        "HS512": {"alg": "HS512"},
        "lower case": {"alg": "hs256"},
        "alg list": {"alg": ["HS256"]},
        "alg null": {"alg": None},
        "plain JWT": {"typ": "JWT"},
        "kid number": {"kid": 1},
        "kid empty": {"kid": ""},
        "kid path": {"kid": "../../etc/passwd"},
        "kid with line end": {"kid": "shared\n"},
        "kid long": {"kid": "k" * 129},
        "crit": {"crit": ["exp"]},
        "empty crit": {"crit": []},
        "jwk": {"jwk": {"kty": "oct", "k": "AAAA"}},
        "jku": {"jku": "https://example.invalid/keys"},
        "b64": {"b64": False},
    }.items():
        yield name, {**good, **change}
    yield "a list", [good]
    yield "a text", "HS256"
    yield "not JSON", b"{"
    yield "not UTF-8", b'{"alg":"HS256","typ":"access+jwt","kid":"\xff"}'
    yield "nothing", b""
    yield "nested as deep as fits", b"[" * 380


@pytest.mark.parametrize("header", [pytest.param(header, id=name) for name, header in changed_headers()])
def test_a_header_is_exactly_alg_typ_and_kid_of_the_known_values(issuer, header):
    with pytest.raises(Unauthorized):
        take_apart(issuer.token(header=header), TokenKind.ACCESS)


def respelled(token):
    header, payload, signature = token.split(".")
    spare = signature[:-1] + DIGITS[DIGITS.index(signature[-1]) + 1]  # 43 characters hold 258 bits: two are spare
    yield "another spelling of the same signature", f"{header}.{payload}.{spare}"
    yield "padded", f"{token}="
    yield "junk after the signature", f"{token}!!"
    yield "a fourth segment", f"{token}.{signature}"
    yield "an empty fourth segment", f"{token}."
    yield "two segments", f"{header}.{payload}"
    yield "no signature", f"{header}.{payload}."
    yield "no payload", f"{header}..{signature}"
    yield "a line end", f"{token}\n"
    yield "a blank before", f" {token}"
    yield "a NUL inside", f"{header}.{payload}\0.{signature}"
    yield "other digits", token.replace(token[5], "٣", 1)
    yield "standard base64", f"{header}.{payload}+/.{signature}"
    yield "a length base64 cannot have", f"{header}.{payload}.{signature}AA"
    yield "too long", f"{header}.{'A' * MAX_TOKEN_CHARACTERS}.{signature}"
    brackets = base64.urlsafe_b64encode(b"[" * 5_000).decode().rstrip("=")
    yield "a header of 5,000 brackets", f"{brackets}.{payload}.{signature}"
    yield "nothing", ""
    yield "a lone surrogate", "\ud800.a.b"


def is_accepted(token):
    try:
        return take_apart(token, TokenKind.ACCESS)
    except Unauthorized:
        return None


def test_a_token_has_one_spelling_only(issuer):
    token = issuer.token()
    assert take_apart(token, TokenKind.ACCESS)
    assert [what for what, other in respelled(token) if is_accepted(other)] == []


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_no_text_whatever_raises_anything_but_unauthorized(text):
    with pytest.raises(Unauthorized):
        take_apart(text, TokenKind.ACCESS)

"""A token that cannot be one is refused when it is given, with words that help."""

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.device_tokens import ApnsToken, FcmToken

FCM: TypeAdapter[str] = TypeAdapter(FcmToken)
APNS: TypeAdapter[str] = TypeAdapter(ApnsToken)
APPLE = "9c4b5ff4f4f2e6ae1d2e4c4d0f5e0e8b8a1c3b7d6e5f4a3b2c1d0e9f8a7b6c5d"


@pytest.mark.parametrize(
    "token", ["fcm_token_here", f"cXkN3_aBQ-yZ:APA91b{'Hx-_7' * 28}", "a" * 63, "a" * 2048, f" {APPLE}0 \n"]
)
def test_a_possible_registration_token_of_fcm_is_accepted(token: str) -> None:
    assert FCM.validate_python(token) == token.strip()


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (APPLE, "APNs"),
        (f" {APPLE.upper()}", "APNs"),
        ("https://fcm.googleapis.com/fcm/send/x", "subscription"),
        ('{"endpoint":"x"}', "letters, digits"),
        ("<token>", "letters, digits"),
        ("a,b", "letters, digits"),
        ("a" * 2049, "2048"),
        ("", "at least 1"),
    ],
)
def test_an_impossible_registration_token_of_fcm_is_refused_with_the_reason(token: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FCM.validate_python(token)


def test_a_device_token_of_apns_is_hex_in_lower_case() -> None:
    assert APNS.validate_python(f" {APPLE.upper()}\n") == APPLE
    for wrong in (APPLE[1:], APPLE[2:], f"{APPLE}g", "a" * 202, "<9c4b5ff4 f4f2e6ae>"):
        with pytest.raises(ValidationError, match="hex digits"):
            APNS.validate_python(wrong)

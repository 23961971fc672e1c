"""Links that unsubscribe: only a key of the e-mail service makes one, and it says what was signed."""

from base64 import urlsafe_b64encode
from secrets import token_urlsafe
from uuid import uuid4

import pytest

from chassis.security.service_keys import ServiceKey
from contracts.unsubscribing import InvalidToken, Unsubscription, read_token, unsubscribe_token

KEY, OTHER = (ServiceKey("email-service", token_urlsafe(32)) for _ in range(2))
WANTED = Unsubscription(uuid4(), "newsletter")


def test_a_link_says_who_and_what_with_any_of_the_keys() -> None:
    token = unsubscribe_token(KEY, WANTED)
    assert read_token(token, [OTHER.public, KEY.public]) == WANTED
    assert unsubscribe_token(KEY, WANTED) == token, "the same on every attempt"


@pytest.mark.parametrize("bad", ["", "x", "====", "\u00e9", "A" * 107, "A" * 200, "A" * 4_000])
def test_an_invalid_link_is_refused(bad: str) -> None:
    with pytest.raises(InvalidToken):
        read_token(bad, [KEY.public])


def test_a_link_of_another_key_or_with_another_letter_is_refused() -> None:
    token = unsubscribe_token(KEY, WANTED)
    for keys in ([OTHER.public], []):
        with pytest.raises(InvalidToken):
            read_token(token, keys)
    for place in range(0, len(token) - 1, 7):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(InvalidToken):
            read_token(changed, [KEY.public])


def test_a_signature_for_anything_else_is_no_link() -> None:
    said = WANTED.user_id.bytes + WANTED.purpose.encode()
    forged = urlsafe_b64encode(KEY.sign(said) + said).rstrip(b"=").decode()
    with pytest.raises(InvalidToken):
        read_token(forged, [KEY.public])

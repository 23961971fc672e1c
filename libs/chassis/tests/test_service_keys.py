from secrets import token_urlsafe

import pytest

from chassis.security.service_keys import ServiceKey, development_key, parse_public_keys, verification_key

OLD, NEW, OTHER = (ServiceKey(service, token_urlsafe(32)) for service in ("one", "one", "other-1"))


def test_the_keys_of_rfc_8037() -> None:
    """Appendix A.1."""
    key = ServiceKey("one", "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    assert key.public == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    verification_key(key.public).verify(key.sign(b"message"), b"message")
    assert key.private not in repr(key)


def test_a_service_may_have_several_keys() -> None:
    text = f" one:{OLD.public},one:{NEW.public}, other-1:{OTHER.public}\n"
    assert parse_public_keys(text) == {OLD.public: "one", NEW.public: "one", OTHER.public: "other-1"}
    assert parse_public_keys("") == {}


@pytest.mark.parametrize("text", ["one", OLD.public, f"one={OLD.public}", f"One:{OLD.public}", f":{OLD.public}"])
def test_an_invalid_pair_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="service:key") as refused:
        parse_public_keys(text)
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    "key", ["", "hunter2", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 42 + "/", "A" * 42 + "=", "A" * 42 + "\0"]
)
def test_an_invalid_key_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(ValueError, match=r"is no Ed25519 key: 32 bytes in base64url, 43 characters$"):
        ServiceKey("one", key)
    with pytest.raises(ValueError, match=r"is no Ed25519 key: 32 bytes in base64url, 43 characters$"):
        parse_public_keys(f"one:{key}")


def test_one_key_is_not_two_services() -> None:
    with pytest.raises(ValueError, match="gives other the key of one"):
        parse_public_keys(f"one:{OLD.public},other:{OLD.public}")


def test_development_keys_differ() -> None:
    assert development_key("api-gateway").public != development_key("user-service").public

"""The console's settings."""

from secrets import token_hex

import pytest
from pydantic import ValidationError

from console.settings import ConsoleSettings


def test_production_wants_a_secret_of_its_own() -> None:
    given = {"environment": "production", "metrics_token": token_hex(20)}
    with pytest.raises(ValidationError, match="CONSOLE_SECRET_KEY"):
        ConsoleSettings(_env_file=None, **given)
    with pytest.raises(ValidationError, match="CONSOLE_SECRET_KEY"):
        ConsoleSettings(_env_file=None, console_secret_key="short", **given)
    assert ConsoleSettings(_env_file=None, console_secret_key=token_hex(20), **given).production


@pytest.mark.parametrize("address", ["example.com", "javascript:alert(1)", "https://a b", "https://a/$(id)", "'"])
def test_what_is_copied_into_a_terminal_is_an_address(address: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        ConsoleSettings(_env_file=None, public_url=address)


def test_commands_name_the_address_for_people() -> None:
    assert ConsoleSettings(_env_file=None, api_gateway_url="http://gateway:8000").shown_url == "http://gateway:8000"
    assert ConsoleSettings(_env_file=None, public_url="https://n.example.com/").shown_url == "https://n.example.com"


def test_there_is_no_database() -> None:
    assert not {"database_url", "redis_url", "rabbitmq_url"} & ConsoleSettings.model_fields.keys()
    assert ConsoleSettings(_env_file=None, web_concurrency=4).processes == 1

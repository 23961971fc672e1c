"""Only scripts of allowed origins may read the gateway's answers."""

import pytest
from pydantic import ValidationError

from api_gateway.settings import GatewaySettings

APP, OTHER = "https://app.example.com", "https://app.example.com.evil.example"
PATH = "/api/v1/notifications"


def _asks(origin: str) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }


async def test_a_page_of_a_named_origin_may_ask_and_read(start) -> None:
    gateway = await start(cors_origins="https://app.example.com, https://admin.example.com")
    asked = await gateway.http.options(PATH, headers=_asks(APP))
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (200, APP)
    listed = await gateway.http.get(PATH, headers={**gateway.token(), "Origin": APP})
    assert (listed.status_code, listed.headers["Access-Control-Allow-Origin"]) == (200, APP)
    exposed = listed.headers["Access-Control-Expose-Headers"].lower()
    assert all(name in exposed for name in ("ratelimit-remaining", "retry-after", "x-correlation-id"))
    assert "Access-Control-Allow-Credentials" not in listed.headers
    refused = await gateway.http.get(PATH, headers={"Origin": APP})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, APP)


@pytest.mark.parametrize("origins", ["", "https://app.example.com"])
async def test_no_other_page_may(start, origins: str) -> None:
    gateway = await start(cors_origins=origins)
    for origin in (OTHER, "null", "http://app.example.com"):
        asked = await gateway.http.options(PATH, headers=_asks(origin))
        read = await gateway.http.get(PATH, headers={**gateway.token(), "Origin": origin})
        for answer in (asked, read):
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("wrong", ["app.example.com", "https://app.example.com/", "https://*.example.com", "ftp://x"])
def test_what_is_no_origin_stops_the_start(wrong: str) -> None:
    with pytest.raises(ValidationError, match="origins like"):
        GatewaySettings(_env_file=None, cors_origins=wrong)

"""A client that closes its connection in mid-body causes no error in the log and no 5xx in the metrics."""

from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from testkit.eventually import eventually
from testkit.hanging_up import hang_up

OWN = ["/api/v1/notifications", "/api/v1/notifications/batch", "/api/v1/email/status", "/api/v1/failed/replay"]
FORWARDED = ["/api/v1/users", "/api/v1/auth/login", "/api/v1/templates", "/api/v1/applications", "/api/v1/api-keys"]


@pytest.mark.parametrize("path", [*OWN, *FORWARDED])
@pytest.mark.parametrize("chunked", [False, True])
async def test_closing_in_mid_body_is_neither_a_defect_nor_a_5xx(
    gateway, served, path: str, chunked: bool, caplog
) -> None:
    async with served(gateway.app) as url:
        with capture_logs() as events:
            await hang_up(urlsplit(url), path, gateway.token(), chunked=chunked)
            await eventually(lambda: [one for one in events if one["event"] == "http.client_disconnected"], 10)
        assert {one["log_level"] for one in events} == {"info"}, events
        assert not [one for one in caplog.records if one.levelname == "ERROR"], "nor does the server see one"
    counted = [line for line in (await gateway.http.get("/metrics")).text.splitlines() if 'method="POST"' in line]
    assert any('status="4xx"' in line for line in counted)
    assert not any('status="5xx"' in line for line in counted)
    assert not any(one.startswith(("template", "user")) for one in gateway.peers.asked), "nothing went on"

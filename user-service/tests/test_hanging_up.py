"""A client that closes its connection in mid-body is no defect of ours."""

import socket
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from devstack.serving import serving
from testkit.eventually import eventually
from testkit.hanging_up import hang_up


@pytest.mark.parametrize("path", ["/api/v1/users", "/api/v1/auth/login"])
async def test_closing_in_mid_body_is_neither_a_defect_nor_a_5xx(world, path: str, caplog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with serving(world.app, listener, lifespan="off", grace_seconds=1):
            with capture_logs() as events:
                await hang_up(urlsplit(f"http://127.0.0.1:{listener.getsockname()[1]}"), path, {})
                await eventually(lambda: [one for one in events if one["event"] == "http.client_disconnected"], 10)
    assert {one["log_level"] for one in events} == {"info"}
    assert not [one for one in caplog.records if one.levelname == "ERROR"], "nor does the server see one"
    counted = {"method": "POST", "route": path}
    assert world.metric("http_request_duration_seconds_count", **counted, status="4xx") == 1
    assert world.metric("http_request_duration_seconds_count", **counted, status="5xx") == 0

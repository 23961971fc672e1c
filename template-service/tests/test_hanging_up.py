"""A client that closes its connection in mid-body causes no error."""

import socket
from urllib.parse import urlsplit

from structlog.testing import capture_logs

from devstack.serving import serving
from testkit.eventually import eventually
from testkit.hanging_up import hang_up


async def test_closing_in_mid_body_is_neither_a_defect_nor_a_5xx(app, access_token, caplog) -> None:
    caller = {"Authorization": f"Bearer {access_token(role='admin')}"}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with serving(app, listener, lifespan="off", grace_seconds=1):
            with capture_logs() as events:
                url = urlsplit(f"http://127.0.0.1:{listener.getsockname()[1]}")
                await hang_up(url, "/api/v1/templates", caller, chunked=True)
                await eventually(lambda: [one for one in events if one["event"] == "http.client_disconnected"], 10)
    assert {one["log_level"] for one in events} == {"info"}
    assert not [one for one in caplog.records if one.levelname == "ERROR"], "nor does the server see one"

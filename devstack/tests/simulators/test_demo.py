"""The demo page's files. What the page does is in tests/browser."""

import re

import httpx2
import pytest

from devstack.simulators.demo.router import Login
from devstack.simulators.run import create_simulator_app

BASE_URL = "http://simulator.test"


async def test_the_page_runs_only_its_own_scripts_and_calls_only_the_gateway(http) -> None:
    answer = await http.get("/demo/")
    policy = answer.headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "script-src 'self';", "connect-src 'self' http://gateway:8000;"):
        assert part in policy
    assert re.findall("<script[^>]*>", answer.text) == ['<script src="demo.js" defer>']
    assert not re.search(r"<[^>]+ (style|on\w+)=", answer.text)
    for asset in re.findall(r'(?:src|href)="([^":]+)"', answer.text):
        assert (await http.get(f"/demo/{asset}" if asset[0] != "/" else asset)).status_code == 200


async def test_the_service_worker_lies_in_the_folder_of_the_page(http) -> None:
    answer = await http.get("/demo")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/demo/")
    worker = await http.get("/demo/worker.js")
    assert worker.headers["Content-Type"].startswith("text/javascript")
    assert (await http.get("/demo/router.py")).status_code == 404


@pytest.mark.parametrize("login", [None, Login("admin@example.com", "the password")])
async def test_the_form_is_filled_in_where_the_stack_has_a_known_administrator(inbox, fcm, web_push, login) -> None:
    app = create_simulator_app(inbox, fcm, web_push, gateway_url="http://gateway:8000", login=login)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE_URL) as http:
        known = (await http.get("/demo/configuration.json")).json()
    assert known == {
        "gateway": "http://gateway:8000",
        "push_service": f"{BASE_URL}/web-push",
        "email": login.email if login else "",
        "password": login.password if login else "",
    }

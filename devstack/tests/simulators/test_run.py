import asyncio
import json
import time

import httpx2
import pytest

from devstack.simulators.oauth import PROJECT_ID
from devstack.simulators.run import SimulatorOptions, running_simulators


async def test_ending_does_not_wait_for_a_stalled_answer(tmp_path, grant, account):
    (tmp_path / "service-account.json").write_text(json.dumps({"private_key": account.private_key}))
    options = SimulatorOptions(tmp_path, smtp_port=0, http_port=0, journal=False)
    async with httpx2.AsyncClient() as http:
        async with running_simulators(options) as running:
            issued = await http.post(f"{running.base_url}/token", data=grant(aud=f"{running.base_url}/token"))
            running.faults.fcm = "stall"
            url = f"{running.base_url}/v1/projects/{PROJECT_ID}/messages:send"
            bearer = {"Authorization": f"Bearer {issued.json()['access_token']}"}
            answer = asyncio.create_task(http.post(url, json={"message": {"token": "t"}}, headers=bearer, timeout=60))
            await running.inbox.pushes.wait_for(1)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        assert (await answer).status_code == 500
    assert not (tmp_path / "messages.jsonl").exists()


async def test_a_token_with_drop_is_taken_and_its_answer_breaks_off_that_often(tmp_path, grant, account):
    (tmp_path / "service-account.json").write_text(json.dumps({"private_key": account.private_key}))
    options = SimulatorOptions(tmp_path, smtp_port=0, http_port=0, journal=False)
    async with running_simulators(options) as running, httpx2.AsyncClient() as http:
        issued = await http.post(f"{running.base_url}/token", data=grant(aud=f"{running.base_url}/token"))
        url = f"{running.base_url}/v1/projects/{PROJECT_ID}/messages:send"
        bearer = {"Authorization": f"Bearer {issued.json()['access_token']}"}
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.post(url, json={"message": {"token": "drop-1-a"}}, headers=bearer)
        assert running.inbox.pushes.total == 1
        assert (await http.post(url, json={"message": {"token": "drop-1-a"}}, headers=bearer)).status_code == 200
        assert running.inbox.pushes.total == 2


async def test_a_taken_port_is_an_error_not_another_port(tmp_path):
    options = SimulatorOptions(tmp_path, smtp_port=0, http_port=0)
    async with running_simulators(options) as running:
        with pytest.raises(OSError, match="in use"):
            async with running_simulators(
                SimulatorOptions(tmp_path / "other", smtp_port=0, http_port=running.http_port)
            ):
                pass

"""The simulators as end-to-end tests run them: a process of its own that a signal ends."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosmtplib
import httpx2
import pytest


@asynccontextmanager
async def simulators(data: Path, end: signal.Signals) -> AsyncIterator[dict[str, object]]:
    ports = [argument for name in ("smtp", "http", "apns", "apns-sandbox") for argument in (f"--{name}-port", "0")]
    command = [sys.executable, "-m", "devstack.simulators", *ports, "--data", str(data)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        process.send_signal(end)
        rest, _ = await asyncio.wait_for(process.communicate(), 10)
        assert (process.returncode, rest) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def read(path: str) -> dict[str, str]:
    return json.loads(Path(path).read_text())


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_ends_with_0_and_remembers(tmp_path, end):
    async with simulators(tmp_path, end) as ready, httpx2.AsyncClient(base_url=ready["base_url"]) as http:
        client = aiosmtplib.SMTP(hostname=ready["smtp_host"], port=ready["smtp_port"], use_tls=False, start_tls=False)
        await client.connect()
        await client.sendmail("a@example.com", ["b@example.com"], b"Subject: Hi\r\n\r\nHello\r\n")
        assert (await http.get("/health")).json()["emails"] == 1
        account = read(ready["service_account"])
        assert account["token_uri"] == f"{ready['base_url']}/token"
        assert str(ready["http_port"]) in ready["base_url"]
        # Left open: an open connection must not keep the process alive.
    client.close()
    async with simulators(tmp_path, end) as ready, httpx2.AsyncClient(base_url=ready["base_url"]) as http:
        assert (await http.get("/api/messages?kind=email")).json()["messages"][0]["subject"] == "Hi"
        assert read(ready["service_account"])["private_key"] == account["private_key"]

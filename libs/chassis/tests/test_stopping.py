"""A waiting request does not delay the server's stop."""

import asyncio
import socket

import uvicorn
from aiohttp import ClientSession
from fastapi import FastAPI

from chassis.server.stopping import AnnouncingServer


async def test_a_server_that_stops_tells_its_app_before_it_waits_for_the_requests_in_flight() -> None:
    app, asked, stopped = FastAPI(), asyncio.Event(), asyncio.Event()
    app.state.stops = [stopped.set]

    @app.get("/")
    async def waits() -> str:
        asked.set()
        await stopped.wait()
        return "answered"

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = AnnouncingServer(uvicorn.Config(app, log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with ClientSession() as client, asyncio.timeout(10):
            answer = asyncio.create_task(client.get(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
            await asked.wait()
            server.should_exit = True
            assert await (await answer).json() == "answered"
            await serving

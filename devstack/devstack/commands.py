"""`python -m devstack up | demo`: run the system here, or run it once and print the timelines."""

import asyncio
import signal
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated

import typer

from chassis.observability.logs import configure_logs
from chassis.server.commands import INTERRUPTED, plain_end
from devstack.plan import ADMIN_EMAIL, ADMIN_PASSWORD, Ports, StackError
from devstack.stack import ROOT, RunningStack, running_stack
from devstack.timeline import send_welcome, summary_of

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
Offset = Annotated[int, typer.Option(help="Added to every port", min=-1_000, max=50_000)]
DATA = ROOT / ".data"


@app.command()
def up(port_offset: Offset = 0, data: Annotated[Path, typer.Option(help="Folder for the data")] = DATA) -> None:
    """Runs until Ctrl-C. The data survives a restart."""
    with plain_end(StackError):
        _log_to(data)
        _run(_up(data, Ports.with_offset(port_offset)))


@app.command()
def demo(port_offset: Offset = 40_000) -> None:
    """Sends one e-mail and one push, prints their timelines and stops. Uses other ports and another data folder than `up`."""
    with plain_end(StackError), tempfile.TemporaryDirectory(prefix="demo-") as folder:
        _log_to(Path(folder))
        _run(_demo(Path(folder), Ports.with_offset(port_offset)))


def _log_to(folder: Path) -> None:
    """Writes the services' log into the data folder. It stays open until the process ends, because PostgreSQL's stop is
    logged last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configure_logs(stream=(folder / "system.log").open("ab"))


def _run(work: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(_stoppable(work))
    except asyncio.CancelledError:
        print("\nStopped while starting.")
        raise typer.Exit(INTERRUPTED) from None


async def _stoppable(work: Coroutine[None, None, None]) -> None:
    """The first Ctrl-C or SIGTERM cancels `work`, so that everything it has started is stopped in order."""
    task = asyncio.ensure_future(work)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    stopping.cancel()
    await task


async def _cancelled() -> None:
    """Waits for the first Ctrl-C. From then on Ctrl-C is not an error."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None:
            task.uncancel()


async def _up(data: Path, ports: Ports) -> None:
    print("Starting PostgreSQL, the broker and the services ...", flush=True)
    async with running_stack(data, ports) as stack:
        for notification in await send_welcome(stack.gateway_url):
            print(summary_of(notification))
        print(_welcome(stack, data), flush=True)
        await _cancelled()
        print("\nStopping ...", flush=True)
    print("Stopped. The data is kept for the next `make up`.")


async def _demo(data: Path, ports: Ports) -> None:
    async with running_stack(data, ports) as stack:
        for notification in await send_welcome(stack.gateway_url):
            print(summary_of(notification))
        inbox = stack.simulators.inbox
        print(f"At the providers: {inbox.emails.total} e-mail, {inbox.pushes.total} push. The system works.")


def _welcome(stack: RunningStack, data: Path) -> str:
    ports = stack.ports
    return f"""
The system is up. Ctrl-C stops it.

  Gateway           {stack.gateway_url}/docs
  User service      http://localhost:{ports.users}/docs
  Template service  http://localhost:{ports.templates}/docs
  Workers           http://localhost:{ports.email}/health   http://localhost:{ports.push}/health
  Console           {stack.console_url}   (what became of every notification; the two above are there)
  Inbox             {stack.inbox_url}   (every e-mail and push that was delivered)
  Web Push demo     {stack.inbox_url}/demo/   (a notification in your own Firefox)

  Log in as {ADMIN_EMAIL} with the password {ADMIN_PASSWORD}:
  curl -s {stack.gateway_url}/api/v1/auth/login -H 'Content-Type: application/json' \\
       -d '{{"email": "{ADMIN_EMAIL}", "password": "{ADMIN_PASSWORD}"}}'

  The README continues from here. Data and logs: {data}"""

"""`python -m devstack.simulators`: prints one line of JSON when both servers accept connections. Status 0 on SIGTERM or
SIGINT.
"""

import argparse
import asyncio
import json
import signal
from pathlib import Path

from chassis.server.commands import plain_end
from devstack.plan import StackError
from devstack.simulators.run import RunningSimulators, SimulatorOptions, running_simulators


def main() -> None:
    options = _options()
    with plain_end(StackError):
        asyncio.run(_run(options))


def _options() -> SimulatorOptions:
    parser = argparse.ArgumentParser(
        prog="python -m devstack.simulators",
        description="Simulators of an SMTP server and of push providers.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=_port, default=1025, help="0 uses a free port")
    parser.add_argument("--http-port", type=_port, default=8025, help="0 uses a free port")
    parser.add_argument("--apns-port", type=_port, default=2197, help="0 uses a free port")
    parser.add_argument("--apns-sandbox-port", type=_port, default=2198, help="0 uses a free port")
    parser.add_argument("--data", type=Path, required=True, help="folder for the service account and the messages")
    parser.add_argument(
        "--public-url", default="", help="URL of the HTTP port for other hosts, if --host is not usable"
    )
    parser.add_argument("--gateway-url", default="http://localhost:8000", help="URL of the gateway that the page shows")
    parser.add_argument(
        "--webhook-url", default="", help="URL that gets the e-mail provider's events, with user name and password"
    )
    parser.add_argument("--keep", type=int, default=10_000, help="number of stored messages of each kind")
    parser.add_argument("--no-journal", dest="journal", action="store_false", help="store messages only in memory")
    return SimulatorOptions(**vars(parser.parse_args()))


def _port(text: str) -> int:
    """Of what is no port, argparse says so."""
    if not 0 <= (port := int(text)) < 65_536:
        raise ValueError
    return port


async def _run(options: SimulatorOptions) -> None:
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    async with running_simulators(options) as running:
        print(_ready_line(running, options), flush=True)
        await stop.wait()


def _ready_line(running: RunningSimulators, options: SimulatorOptions) -> str:
    sendgrid, mailgun = running.accounts.sendgrid, running.accounts.mailgun
    return json.dumps(
        {
            "smtp_host": options.host,
            "smtp_port": running.smtp_port,
            "http_port": running.http_port,
            "base_url": running.base_url,
            "service_account": str(running.service_account),
            "vapid_key": str(running.vapid_key),
            "vapid_public_key": running.vapid_public_key,
            "apns_url": running.apns_url,
            "apns_sandbox_url": running.apns_sandbox_url,
            "apns_key": str(running.apns_key),
            "sendgrid_webhook_public_key": "" if sendgrid is None else sendgrid.shown_key,
            "mailgun_webhook_signing_key": "" if mailgun is None else mailgun.key,
        }
    )


if __name__ == "__main__":
    main()

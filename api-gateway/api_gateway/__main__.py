"""`python -m api_gateway` serves; `python -m api_gateway migrate` brings the database to its newest revision."""

import asyncio
import sys

from api_gateway.main import create_app
from api_gateway.migrating import ALEMBIC
from api_gateway.settings import GatewaySettings
from chassis.database import migrate
from chassis.server import load_settings, serve


def main(arguments: list[str]) -> None:
    match arguments:
        case []:
            serve(GatewaySettings, create_app, "api-gateway")
        case ["migrate"]:
            asyncio.run(migrate(ALEMBIC, load_settings(GatewaySettings).database_url))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

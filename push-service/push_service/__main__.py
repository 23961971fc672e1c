"""`python -m push_service` serves; `python -m push_service migrate` brings the database to its newest revision."""

import asyncio
import sys

from chassis.database import migrate
from chassis.server import load_settings, serve
from contracts.lookups import PUSH_SERVICE
from push_service.migrating import ALEMBIC
from push_service.settings import PushSettings
from push_service.worker import create_app


def main(arguments: list[str]) -> None:
    match arguments:
        case []:
            serve(PushSettings, create_app, PUSH_SERVICE)
        case ["migrate"]:
            asyncio.run(migrate(ALEMBIC, load_settings(PushSettings).database_url))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

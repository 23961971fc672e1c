"""`python -m email_service` serves; `python -m email_service migrate` brings the database to its newest revision."""

import asyncio
import sys

from chassis.database import migrate
from chassis.server import load_settings, serve
from contracts.lookups import EMAIL_SERVICE
from email_service.migrating import ALEMBIC
from email_service.settings import EmailSettings
from email_service.worker import create_app


def main(arguments: list[str]) -> None:
    match arguments:
        case []:
            serve(EmailSettings, create_app, EMAIL_SERVICE)
        case ["migrate"]:
            asyncio.run(migrate(ALEMBIC, load_settings(EmailSettings).database_url))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

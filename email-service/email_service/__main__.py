"""`python -m email_service` serves; `migrate` brings the database to its newest revision, `reencrypt` to the newest key."""

import gc
import sys

gc.disable()  # a seventh of what the imports take; chassis.server turns it on again

from chassis.server import run_service
from contracts.lookups import EMAIL_SERVICE
from email_service.migrating import ALEMBIC
from email_service.repositories.reencrypting import PERSONAL
from email_service.settings import EmailSettings
from email_service.worker import create_app

if __name__ == "__main__":
    run_service(sys.argv[1:], EmailSettings, create_app, service=EMAIL_SERVICE, migrations=ALEMBIC, personal=PERSONAL)

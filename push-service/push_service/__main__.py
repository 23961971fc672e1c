"""`python -m push_service` serves; `migrate` brings the database to its newest revision, `reencrypt` to the newest key."""

import gc
import sys

gc.disable()  # saves a seventh of the import time; chassis.server.run enables it again

from chassis.server.run import run_service
from contracts.services import PUSH_SERVICE
from delivery.ledger import personal_deliveries
from push_service.settings import ALEMBIC, PushSettings
from push_service.worker import create_app

if __name__ == "__main__":
    run_service(
        sys.argv[1:],
        PushSettings,
        create_app,
        service=PUSH_SERVICE,
        migrations=ALEMBIC,
        personal=(personal_deliveries("push"),),
    )

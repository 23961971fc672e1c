"""`python -m push_service` serves; `migrate` brings the database to its newest revision, `reencrypt` to the newest key."""

import gc
import signal
import sys

gc.disable()  # saves a seventh of the import time; chassis.server.run enables it again
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C before the server takes it just ends the process

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

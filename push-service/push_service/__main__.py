"""`python -m push_service` serves; `migrate` brings the database to its newest revision, `reencrypt` to the newest key."""

import gc
import sys

gc.disable()  # a seventh of what the imports take; chassis.server turns it on again

from chassis.server import run_service
from contracts.lookups import PUSH_SERVICE
from delivery.ledger import personal_deliveries
from push_service.migrating import ALEMBIC
from push_service.settings import PushSettings
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

"""`python -m api_gateway` serves; `migrate` upgrades the database schema; `reencrypt` re-encrypts with the newest key."""

import gc
import signal
import sys

gc.disable()  # saves a seventh of the import time; chassis.server.run enables it again
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C before the server takes it just ends the process

from api_gateway.main import create_app
from api_gateway.repositories.personal import PERSONAL
from api_gateway.settings import ALEMBIC, GatewaySettings
from chassis.server.run import run_service
from contracts.services import API_GATEWAY

if __name__ == "__main__":
    run_service(sys.argv[1:], GatewaySettings, create_app, service=API_GATEWAY, migrations=ALEMBIC, personal=PERSONAL)

"""`python -m api_gateway` serves; `migrate` brings the database to its newest revision, `reencrypt` to the newest key."""

import gc
import sys

gc.disable()  # a seventh of what the imports take; chassis.server turns it on again

from api_gateway.main import create_app
from api_gateway.migrating import ALEMBIC
from api_gateway.repositories.reencrypting import PERSONAL
from api_gateway.settings import GatewaySettings
from chassis.server import run_service
from contracts.lookups import API_GATEWAY

if __name__ == "__main__":
    run_service(sys.argv[1:], GatewaySettings, create_app, service=API_GATEWAY, migrations=ALEMBIC, personal=PERSONAL)

"""`python -m template_service` serves; `python -m template_service migrate` brings the database to its newest revision."""

import gc
import signal
import sys

gc.disable()  # makes the imports one seventh faster; chassis.server.run turns it on again
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C before the server takes it just ends the process

from chassis.server.run import run_service
from contracts.services import TEMPLATE_SERVICE
from template_service.main import create_app
from template_service.settings import ALEMBIC, TemplateSettings

if __name__ == "__main__":
    run_service(sys.argv[1:], TemplateSettings, create_app, service=TEMPLATE_SERVICE, migrations=ALEMBIC)

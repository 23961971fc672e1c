"""`python -m email_service` serves. `migrate` brings the database to its newest revision, `reencrypt` to the newest key;
`dns` prints the DNS records to publish."""

import gc
import signal
import sys

gc.disable()  # saves a seventh of the time of the imports; chassis.server.run turns it on again
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C before the server takes it just ends the process

from chassis.server.run import run_service
from contracts.services import EMAIL_SERVICE
from email_service import dns_records
from email_service.repositories.reencrypting import PERSONAL
from email_service.settings import ALEMBIC, EmailSettings
from email_service.worker import create_app

if __name__ == "__main__":
    if sys.argv[1:2] == ["dns"]:
        raise SystemExit(dns_records.main(sys.argv[2:]))
    run_service(sys.argv[1:], EmailSettings, create_app, service=EMAIL_SERVICE, migrations=ALEMBIC, personal=PERSONAL)

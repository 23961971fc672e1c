"""`python -m console` serves. There is no database, so there is nothing to migrate."""

import gc
import signal
import sys

gc.disable()  # makes the imports faster; chassis.server.run turns it on again
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C before the server takes it just ends the process

from chassis.server.run import serve
from console.main import create_app
from console.settings import CONSOLE, ConsoleSettings

if __name__ == "__main__":
    if sys.argv[1:]:
        raise SystemExit("usage: python -m console")
    serve(ConsoleSettings, create_app, CONSOLE)

"""`python -m console` serves. There is no database, so there is nothing to migrate."""

import gc
import sys

gc.disable()  # makes the imports faster; chassis.server.run turns it on again

from chassis.server.run import serve
from console.main import create_app
from console.settings import CONSOLE, ConsoleSettings

if __name__ == "__main__":
    if sys.argv[1:]:
        raise SystemExit("usage: python -m console")
    serve(ConsoleSettings, create_app, CONSOLE)

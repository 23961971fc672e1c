"""`python -m devstack`: see `devstack.commands`."""

import os
import signal

# During the imports nothing has been started that needs an orderly stop, and a traceback would not help.
signal.signal(signal.SIGINT, lambda *_: os._exit(130))

from devstack.commands import app  # noqa: E402

if __name__ == "__main__":
    app(prog_name="python -m devstack")

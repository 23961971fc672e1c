"""`python -m devstack`: see `devstack.commands`."""

import os
import signal

# While the rest is imported there is nothing yet that has to be stopped in good order, and no traceback helps anybody.
signal.signal(signal.SIGINT, lambda *_: os._exit(130))

from devstack.commands import app  # noqa: E402

if __name__ == "__main__":
    app(prog_name="python -m devstack")

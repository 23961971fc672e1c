"""How a command ends when its environment is at fault: with one line that says what is wrong, never with a traceback."""

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.settings import WrongSettings

INTERRUPTED = 130  # the exit status that shells use for a command that Ctrl-C ended
OF_THE_MACHINE = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES, errno.ENOSPC, errno.EROFS}


@contextmanager
def plain_end(*expected: type[Exception]) -> Iterator[None]:
    """Ends the process with a status, and with a line on stderr, after Ctrl-C, wrong settings, a file that cannot be used, a
    port that is taken, and the errors in `expected`, whose message is for people. Other errors are ours: they pass.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except WrongSettings as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    except expected as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
    except OSError as error:
        if error.filename is None and error.errno not in OF_THE_MACHINE and not isinstance(error, socket.gaierror):
            raise
        where = "" if error.filename is None else f"{error.filename}: "
        sys.stderr.write(f"{where}{error.strerror}\n")
        raise SystemExit(1) from None

"""`notify`: the notification system on the command line. Everything goes through the SDK's public surface.

Its libraries come with the extra `cli`.
"""

import sys


def main() -> None:
    """The console script, which is there without the extra, too."""
    try:
        from notifications.cli.main import main as run  # noqa: PLC0415 - what it imports may be missing
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"typer", "rich", "yaml"}:
            raise
        sys.exit("notify needs the extra cli: pip install 'notification-sdk[cli]'")
    except KeyboardInterrupt:
        sys.exit(130)
    run()

"""`python -m notifications.cli`: the same as `notify`."""

from notifications.cli import main

if __name__ == "__main__":
    main()

"""Load on the whole system and on the floors it is compared with: `python -m bench`."""

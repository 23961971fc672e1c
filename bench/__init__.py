"""Load on the whole system and on the baselines it is compared with: `python -m bench`."""

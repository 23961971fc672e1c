"""Load on the whole system, and on the baselines that it is compared with: `python -m bench`."""

"""Property tests without a deadline for each example: on a shared machine that would measure the neighbours."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

"""Where this service's migrations are."""

from pathlib import Path

ALEMBIC = Path(__file__).parent.parent / "alembic"

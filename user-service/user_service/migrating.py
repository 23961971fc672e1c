"""Where this service's migrations are."""

from pathlib import Path

ALEMBIC_FOLDER = Path(__file__).parent.parent / "alembic"

"""Alembic's entry point."""

from chassis.migrations import run_migrations
from user_service.models import Base
from user_service.settings import UserSettings

run_migrations(Base.metadata, "alembic_version_user_service", lambda: UserSettings().database_url)

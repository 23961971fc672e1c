"""Alembic's entry point."""

from chassis.postgres.migrations import run_migrations
from chassis.settings import load_settings
from user_service.models import Base
from user_service.settings import UserSettings

run_migrations(Base.metadata, "alembic_version_user_service", lambda: load_settings(UserSettings).database_url)

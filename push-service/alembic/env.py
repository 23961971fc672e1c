"""Alembic's entry: what this service's migrations are compared with, and where they are recorded."""

from chassis.postgres.migrations import run_migrations
from chassis.settings import load_settings
from push_service.models import Base
from push_service.settings import PushSettings

run_migrations(Base.metadata, "alembic_version_push_service", lambda: load_settings(PushSettings).database_url)

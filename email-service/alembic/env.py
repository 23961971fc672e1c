"""Alembic's entry: what this service's migrations are compared with, and where they are recorded."""

from chassis.postgres.migrations import run_migrations
from chassis.settings import load_settings
from email_service.models import Base
from email_service.settings import EmailSettings

run_migrations(Base.metadata, "alembic_version_email_service", lambda: load_settings(EmailSettings).database_url)

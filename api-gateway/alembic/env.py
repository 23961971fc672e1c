"""Alembic's entry: what this service's migrations are compared with, and where they are recorded."""

from api_gateway.models import Base
from api_gateway.settings import GatewaySettings
from chassis.postgres.migrations import run_migrations
from chassis.settings import load_settings

run_migrations(Base.metadata, "alembic_version_api_gateway", lambda: load_settings(GatewaySettings).database_url)

"""How Alembic finds this service's database and tables."""

from chassis.postgres.migrations import run_migrations
from chassis.settings import load_settings
from template_service.models import Base
from template_service.settings import TemplateSettings

run_migrations(Base.metadata, "alembic_version_template_service", lambda: load_settings(TemplateSettings).database_url)

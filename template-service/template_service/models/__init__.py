"""The tables of this service's own database."""

from template_service.models.base import Base
from template_service.models.tables import Template, TemplateLanguage, TemplateVersion

__all__ = ["Base", "Template", "TemplateLanguage", "TemplateVersion"]

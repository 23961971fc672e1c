"""The tables of this service's own database."""

from template_service.models.audit import AuditEvent
from template_service.models.base import Base
from template_service.models.tables import Template, TemplateLanguage, TemplateVersion

__all__ = ["AuditEvent", "Base", "Template", "TemplateLanguage", "TemplateVersion"]

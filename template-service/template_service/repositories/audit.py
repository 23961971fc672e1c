"""The audit trail of this service. Nothing in it is personal: no fingerprints, no key."""

from collections.abc import Mapping

from chassis.audit import AuditTrail
from template_service.models import AuditEvent
from template_service.repositories.records import TemplateRecord
from template_service.repositories.snippets import SnippetRecord

TRAIL = AuditTrail(AuditEvent)


def template_target(code: str) -> str:
    return f"template:{code}"


def template_fields(template: TemplateRecord) -> Mapping[str, object]:
    """The template's fields in an audit event. Its content is left out: versions hold it, and they never change."""
    return {
        "name": template.name,
        "description": template.description,
        "default_language": template.default_language,
        "active": template.active,
    }


def snippet_target(name: str) -> str:
    return f"snippet:{name}"


def snippet_fields(snippet: SnippetRecord) -> Mapping[str, object]:
    """Without the content, which versions hold."""
    return {"description": snippet.description, "version": snippet.latest_version}

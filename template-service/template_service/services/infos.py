"""Versions in the words of the contract between the services."""

from dataclasses import asdict

from contracts.lookups import TemplateInfo
from template_service.repositories.records import VersionRecord, VersionSummary


def outline_of(code: str, summary: VersionSummary) -> TemplateInfo:
    """Without the parts: all that the gateway needs to know."""
    return TemplateInfo(
        code=code,
        version=summary.version,
        language=summary.language,
        required=summary.required,
        required_by_channel=summary.required_by_channel,
        serves_email=summary.serves_email,
        serves_push=summary.serves_push,
    )


def info_of(code: str, version: VersionRecord) -> TemplateInfo:
    """Whole: what a worker compiles."""
    return outline_of(code, version.summary).model_copy(update=asdict(version.source))

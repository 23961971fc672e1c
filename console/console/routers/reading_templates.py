"""What the routers of templates have in common: who may see them, and which version an address names."""

from typing import Annotated

from fastapi import Depends, Query

from console.dependencies import Section, Visitor
from console.errors import NotATemplate
from console.services.previews import is_code
from notifications import Template

Reading = Annotated[Visitor, Depends(Section("templates"))]
Language = Annotated[str, Query(max_length=35, pattern=r"^[A-Za-z0-9\-]*$")]
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


async def open_version(visitor: Visitor, code: str, language: str, version: int | None) -> Template:
    """The active version of the closest language, unless another is named. Raises NotATemplate, NotFound."""
    if not is_code(code):
        raise NotATemplate
    return await visitor.api.templates.get(code, language=language or None, version=version)


async def active_version(visitor: Visitor, template: Template) -> Template:
    """The active version of this template's language; itself, if it is the one, or the language has none."""
    if template.active_version in {None, template.version}:
        return template
    return await visitor.api.templates.get(template.code, language=template.language, version=template.active_version)

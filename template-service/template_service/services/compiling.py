"""The renderer, kept off the event loop: a template at its limits takes a quarter of a second."""

import asyncio

from template_service.errors import InvalidTemplate
from template_service.repositories.records import NewVersion
from templating import CompiledTemplate, TemplateError, TemplateSource, compile_template


async def compiled(source: TemplateSource) -> CompiledTemplate:
    """Raises InvalidTemplate, which names the part and what is wrong with it."""
    try:
        return await asyncio.to_thread(compile_template, source)
    except TemplateError as error:
        raise InvalidTemplate(error) from error


async def checked(source: TemplateSource) -> NewVersion:
    """What is stored of `source`. Raises InvalidTemplate."""
    template = await compiled(source)
    return NewVersion(source, tuple(sorted(template.required)), template.serves_email, template.serves_push)

"""Templates that an installation starts with."""

from chassis.audit import COMMAND
from template_service.errors import TemplateExists
from template_service.services.drafts import NewTemplate
from template_service.services.writing import TemplateWriter


async def ensure_template(writer: TemplateWriter, new: NewTemplate) -> bool:
    """Creates the template, unless its code exists in its language: what is there stays. True when it was made."""
    try:
        await writer.create(new, COMMAND)
    except TemplateExists:
        return False
    return True

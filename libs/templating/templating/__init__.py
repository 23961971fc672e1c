"""The one renderer: for previews (template service) and for delivery (the workers). See README.md."""

from templating.compiled import CompiledTemplate
from templating.compiler import compile_template
from templating.errors import MissingVariables, TemplateError
from templating.literal_links import check_links
from templating.source import RenderedEmail, RenderedPush, TemplateSource

__all__ = [
    "CompiledTemplate",
    "MissingVariables",
    "RenderedEmail",
    "RenderedPush",
    "TemplateError",
    "TemplateSource",
    "check_links",
    "compile_template",
]

"""The one renderer: for previews (template service) and for delivery (the workers). See README.md."""

from templating.compiler import CompiledTemplate, compile_template
from templating.literal_links import check_links
from templating.push_size import PushSize, push_size
from templating.source import MissingVariables, RenderedEmail, RenderedPush, TemplateError, TemplateSource

__all__ = [
    "CompiledTemplate",
    "MissingVariables",
    "PushSize",
    "RenderedEmail",
    "RenderedPush",
    "TemplateError",
    "TemplateSource",
    "check_links",
    "compile_template",
    "push_size",
]

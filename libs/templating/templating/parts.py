"""One part of a template (its subject, its HTML, ...), compiled."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from liquid.exceptions import LiquidError

from templating.expressions import FastPart, check_expressions
from templating.html_context import set_writers
from templating.liquid_engine import WrittenOutput, as_template_error, parse
from templating.liquid_marks import LiquidMark, find_liquid
from templating.metered import MeteredTemplate, all_nodes
from templating.requirements import Needs, needs_of
from templating.source import TemplateError
from templating.values import url_text, url_writer


class Renderer(Protocol):
    """Variables in, text out. Raises TemplateError."""

    def render(self, variables: Mapping[str, object]) -> str: ...


@dataclass(frozen=True, slots=True)
class LiquidPart:
    """A part with tags or filters."""

    template: MeteredTemplate

    def render(self, variables: Mapping[str, object]) -> str:
        try:
            return self.template.render_text(variables)
        except TemplateError:
            raise
        except LiquidError as error:
            raise as_template_error(error, "template_render") from None
        except RecursionError:
            raise TemplateError("template_limit", "an expression is nested too deeply") from None
        except Exception as error:  # noqa: BLE001
            # Filters raise whatever Python raises for unusual values (overflow, a date in the year 0). If it were passed
            # on, the worker would report a defect of its own, and the template's author would not learn of it.
            raise TemplateError("template_render", f"a filter failed: {type(error).__name__}") from None


@dataclass(frozen=True, slots=True)
class CompiledPart:
    """A part, ready to be rendered. `marks` are its outputs and tags, in order."""

    source: str
    marks: tuple[LiquidMark, ...]
    renderer: Renderer
    needs: Needs

    def render(self, variables: Mapping[str, object]) -> str:
        return self.renderer.render(variables)


def compile_html(source: str, app_schemes: Collection[str] = ()) -> CompiledPart:
    """Compiles a part whose values are escaped, each for its context in the HTML."""
    marks = find_liquid(source)
    template = parse(source, escape_html=True)
    check_expressions(template)
    set_writers(template.nodes)
    if app_schemes:
        _allow(app_schemes, template)
    return _compiled(source, marks, template)


def compile_plain(source: str) -> CompiledPart:
    """Compiles a plain-text part."""
    marks = find_liquid(source)
    template = parse(source, escape_html=False)
    check_expressions(template)
    return _compiled(source, marks, template)


def _allow(app_schemes: Collection[str], template: MeteredTemplate) -> None:
    """Allows these schemes, too, in values that begin a URL."""
    write = url_writer(app_schemes)
    for output in _outputs(template):
        if output.write is url_text:
            output.write = write


def _compiled(source: str, marks: tuple[LiquidMark, ...], template: MeteredTemplate) -> CompiledPart:
    renderer = FastPart.from_nodes(template.nodes) or _tried(LiquidPart(template))
    return CompiledPart(source, marks, renderer, needs_of(template.nodes))


def _tried(part: LiquidPart) -> LiquidPart:
    """Renders once without any variables, so that a part that always exceeds the limits is refused when it is saved."""
    try:
        part.render({})
    except TemplateError as error:
        if error.code in {"template_limit", "template_syntax"}:
            raise
    return part


def _outputs(template: MeteredTemplate) -> Iterator[WrittenOutput]:
    return (node for node in all_nodes(template) if isinstance(node, WrittenOutput))

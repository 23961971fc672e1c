"""A template, compiled once and rendered many times. It holds no state: use it from as many tasks as you like."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from templating.errors import MissingVariables, TemplateError
from templating.fast_path import FastPart
from templating.html_text import html_to_text, tidy
from templating.parts import CompiledPart
from templating.requirements import VariablePath, missing
from templating.source import RenderedEmail, RenderedPush
from templating.urls import web_url

# Every character that could end a header line or a notification's title, and the blanks around it.
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True, eq=False)
class CompiledTemplate:
    """Compiled parts by their names; `derived_text` is what stands in for a text part that the template lacks."""

    parts: Mapping[str, CompiledPart]
    derived_text: CompiledPart | None
    required: frozenset[str]
    """The dotted paths that the parts of any channel need; a render needs its own channel's."""
    email_paths: tuple[VariablePath, ...]
    push_paths: tuple[VariablePath, ...]

    @property
    def serves_email(self) -> bool:
        return "html" in self.parts or "text" in self.parts

    @property
    def serves_push(self) -> bool:
        return "title" in self.parts or "body" in self.parts

    def missing(self, variables: Mapping[str, object]) -> tuple[str, ...]:
        """The sorted names of the required variables, of any channel, that are absent or null."""
        return missing(variables, {*self.email_paths, *self.push_paths})

    def render_email(self, variables: Mapping[str, object]) -> RenderedEmail:
        """Raises MissingVariables naming all that this channel lacks, or TemplateError."""
        _check(self.serves_email, "e-mail", variables, self.email_paths)
        html = self._render("html", variables)
        return RenderedEmail(single_line(self._render("subject", variables)), html, self._text(variables, html))

    def render_push(self, variables: Mapping[str, object]) -> RenderedPush:
        """Raises MissingVariables naming all that this channel lacks, or TemplateError. Unsafe URLs become ""."""
        _check(self.serves_push, "push", variables, self.push_paths)
        return RenderedPush(
            title=single_line(self._render("title", variables)),
            body=self._render("body", variables),
            image=web_url(self._render("image", variables)),
            link=web_url(self._render("link", variables)),
        )

    def _text(self, variables: Mapping[str, object], html: str) -> str:
        if "text" in self.parts:
            return self._render("text", variables)
        if self.derived_text is None:
            return html_to_text(html)
        text = self.derived_text.render(variables)
        return text if isinstance(self.derived_text.renderer, FastPart) else tidy(text)

    def _render(self, name: str, variables: Mapping[str, object]) -> str:
        part = self.parts.get(name)
        if part is None:
            return ""
        try:
            return part.render(variables)
        except TemplateError as error:
            error.in_field(name)
            raise


def single_line(text: str) -> str:
    """The text with every run of control characters, line ends among them, made one blank.

    Split and joined: one pattern that also took the blanks around would be quadratic in a run of blanks.
    """
    return " ".join(part for piece in _LINE_BREAKS.split(text) if (part := piece.strip()))


def _check(served: bool, channel: str, variables: Mapping[str, object], paths: Iterable[VariablePath]) -> None:
    if not served:
        raise TemplateError("channel_not_served", f"the template has no {channel} content")
    if names := missing(variables, paths):
        raise MissingVariables(names)

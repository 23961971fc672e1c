"""Puts snippets into the sources that name them, when a version is saved: what is stored and sent is plain Liquid.

`{% render 'button', label: 'Pay' %}` becomes `{% assign label__1 = 'Pay' %}` and the snippet's source, in which `label` is
`label__1`. So a snippet sees the caller's variables and its arguments, and its own variables are not visible outside.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from template_service.authoring.layouts import in_layout, include_cycle, read
from template_service.authoring.names import Names, names_of, renamed, variables_of
from template_service.authoring.snippet_tags import SNIPPET_TAGS, Render, read_render, snippets_named, uses_snippets
from template_service.authoring.whitespace import without_dashes
from templating.liquid_marks import find_liquid
from templating.parts import compile_plain
from templating.source import MAX_MARKS, MAX_SOURCE_BYTES, TemplateError

MAX_DEPTH = 5  # of snippets in snippets
MAX_RENDERS = 100  # snippets put into one part, also by other snippets


@dataclass(frozen=True, slots=True)
class Snippet:
    """One version of a snippet."""

    name: str
    version: int
    content: str


Library = Mapping[str, Snippet]
"""Snippets by name, in their latest versions."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """Parts in which all snippets are in their places, and the versions of these snippets."""

    parts: dict[str, str]
    snippets: dict[str, int]


def expand(parts: Mapping[str, str], library: Library) -> Expanded:
    """Only the parts that use snippets. Raises TemplateError with the part's name."""
    expanded: dict[str, str] = {}
    versions: dict[str, int] = {}
    separator = _unused_separator([*parts.values(), *(snippet.content for snippet in library.values())])
    for name, source in parts.items():
        try:
            if not uses_snippets(source):
                continue
            check_lines(source)
            expansion = _Expansion(library, separator)
            expanded[name] = expansion.part(source)
        except TemplateError as error:
            error.in_field(name)
            raise
        versions |= expansion.versions
    return Expanded(expanded, versions)


def check_lines(source: str) -> None:
    """Finds errors in the source itself, so that they are reported with its own lines. Raises TemplateError."""
    snippets_named(source)
    compile_plain(_without_snippet_tags(source))


def _without_snippet_tags(source: str) -> str:
    """The source with blanks in place of snippet tags."""
    pieces: list[str] = []
    position = 0
    for mark in find_liquid(source, SNIPPET_TAGS):
        if mark.tag in SNIPPET_TAGS:
            blank = "".join(character if character in "\r\n" else " " for character in mark.text)
            pieces += (source[position : mark.start], blank)
            position = mark.end
    return "".join((*pieces, source[position:]))


def _unused_separator(sources: list[str]) -> str:
    separator = "__"
    while any(separator in source for source in sources):
        separator += "_"
    return separator


@dataclass(frozen=True, slots=True)
class _Body:
    """A source without snippet tags, the names that it makes itself, and the caller's variables that it uses."""

    text: str
    names: Names
    variables: frozenset[str]


@dataclass(frozen=True, slots=True)
class _IncludePath:
    """The snippets and layouts that lead to a source, the outermost first. `depth` counts the snippets alone."""

    names: tuple[str, ...] = ()
    depth: int = 0

    def with_layout(self, name: str) -> "_IncludePath":
        return _IncludePath((*self.names, name), self.depth)

    def with_snippet(self, name: str) -> "_IncludePath":
        return _IncludePath((*self.names, name), self.depth + 1)


@dataclass(slots=True)
class _Expansion:
    """Expands one part. The limits bound the work, however often snippets name each other."""

    library: Library
    separator: str
    versions: dict[str, int] = field(default_factory=dict)
    renders: int = 0
    size: int = 0
    marks: int = 0

    def part(self, source: str) -> str:
        return self._expanded(source, _IncludePath(), frozenset()).text

    def _expanded(self, source: str, path: _IncludePath, given: frozenset[str]) -> _Body:
        """The source without any snippet tags. `given` are the names that it gets when it is rendered."""
        sources = [(source, path)]
        text = in_layout(source, lambda name: self._layout(name, sources))
        pieces: list[str] = []
        used: list[tuple[str, frozenset[str]]] = []
        position = 0
        for mark in find_liquid(text, SNIPPET_TAGS):
            if mark.tag == "render":
                call = read_render(mark, text)
                put, free = self._rendered(call, _path_to(call.snippet, sources))
                pieces += (text[position : mark.start], put)
                used.append((call.snippet, free))
                position = mark.end
        plain = "".join((*pieces, text[position:]))
        self._count(plain)
        names = names_of(_without_snippet_tags(text))
        for snippet, free in used:
            if taken := free & (given | names.made | names.loops):
                name = min(taken)
                problem = f"the snippet '{snippet}' uses '{name}', which has another meaning here"
                raise TemplateError(
                    "template_syntax", f"{problem}; pass it: {{% render '{snippet}', {name}: {name} %}}"
                )
        return _Body(plain, names, variables_of(plain))

    def _layout(self, name: str, sources: list[tuple[str, _IncludePath]]) -> str:
        """The layout's source. It is added to `sources`, after the source that names it."""
        _, path = sources[-1]
        layout = self._snippet(name, path)
        sources.append((layout.content, path.with_layout(name)))
        return layout.content

    def _rendered(self, call: Render, path: _IncludePath) -> tuple[str, frozenset[str]]:
        """The text that replaces the tag, and the caller's variables that the snippet uses itself."""
        snippet = self._snippet(call.snippet, path)
        self.renders += 1
        if self.renders > MAX_RENDERS:
            raise TemplateError("template_limit", f"more than {MAX_RENDERS} snippets")
        number = self.renders
        given = call.names | ({"forloop"} if call.each else set())
        try:
            body = self._expanded(snippet.content, path.with_snippet(snippet.name), given)
            new_names = {name: self._new_name(name, number) for name in call.names | body.names.made}
            text = renamed(body.text, new_names)
        except TemplateError as error:
            raise TemplateError(error.code, f"snippet '{snippet.name}': {error.message}", error.field) from error
        begin = "".join(_assignments(call, body, new_names))
        if call.each:
            text = f"{{% for {new_names[call.bound]} in {call.of} %}}{text}{{% endfor %}}"
        return begin + text, body.variables - given

    def _new_name(self, name: str, number: int) -> str:
        """A name that no source uses. Only arguments may end in a question mark."""
        return f"{name.replace('?', f'{self.separator}q')}{self.separator}{number}"

    def _snippet(self, name: str, path: _IncludePath) -> Snippet:
        if name in path.names:
            cycle = include_cycle(path.names, name)
            raise TemplateError("template_syntax", f"the snippet '{name}' contains itself: {cycle}")
        if path.depth == MAX_DEPTH:
            raise TemplateError("template_limit", f"more than {MAX_DEPTH} snippets in one another")
        snippet = self.library.get(name)
        if snippet is None:
            raise TemplateError("template_syntax", f"there is no snippet '{name}'")
        self.versions[name] = snippet.version
        return snippet

    def _count(self, plain: str) -> None:
        self.size += len(plain)
        self.marks += len(find_liquid(plain))
        if self.size > MAX_DEPTH * MAX_SOURCE_BYTES or self.marks > MAX_DEPTH * MAX_MARKS:
            raise TemplateError("template_limit", "too large with its snippets")


def _path_to(snippet: str, sources: Sequence[tuple[str, _IncludePath]]) -> _IncludePath:
    """`sources` are a source and its layouts: the path to the first of them that names the snippet."""
    (_, own), *layouts = sources
    return next((path for source, path in sources if snippet in snippets_named(source)), own) if layouts else own


def _assignments(call: Render, body: _Body, new_names: Mapping[str, str]) -> Iterator[str]:
    """Tags that give the snippet its values.

    A name that the snippet makes may be the caller's variable until then: `{% assign label = label | default: 'Pay' %}`.
    """
    for name in sorted(body.names.made - call.names):
        if name in body.variables:
            yield f"{{% assign {new_names[name]} = {name} %}}"
        elif name not in body.names.always:
            yield f"{{% assign {new_names[name]} = {name} | default: nil, allow_false: true %}}"
    if call.bound and not call.each:
        yield f"{{% assign {new_names[call.bound]} = {call.of} %}}"
    for name, value in call.values:
        yield f"{{% assign {new_names[name]} = {value} %}}"


def check_snippet(snippet: Snippet, library: Library) -> None:
    """Checks everything that can be checked without a template that uses it. Raises TemplateError."""
    check_lines(snippet.content)
    blocks = read(without_dashes(snippet.content)).blocks.values()
    if not any(block.required for block in blocks):  # required blocks can be checked only in a template
        expand({"content": f"{{% render '{snippet.name}' %}}"}, {**library, snippet.name: snippet})

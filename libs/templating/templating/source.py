"""A template's source, the limits of templates, and the errors of a template or its values."""

from dataclasses import dataclass


class TemplateError(Exception):
    """A template that cannot be saved, or cannot be rendered with these variables.

    `code` is stable and machine-readable: `template_empty`, `template_syntax`, `template_limit`, `unsafe_output`,
    `unsafe_url`, `missing_variables`, `template_render`, `channel_not_served`. `message` is for people and never contains a
    variable's value. `field` is the part (`subject`, `html`, `text`, `title`, `body`, `image`, `link`) or "".
    """

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.code = code
        self.message = message
        self.field = field

    def in_field(self, field: str) -> None:
        """Sets the part of this error, unless it has one already."""
        if not self.field:
            self.field = field
            self.args = (f"{field}: {self.message}",)


class MissingVariables(TemplateError):
    """Required variables were absent or null. `names` has all of them, sorted."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__("missing_variables", f"missing variables: {', '.join(names)}")
        self.names = names


# Limits of one part of a template. Callers write templates, and no template may block or fill a worker.
#
# With these limits the worst sources in the tests (nested loops, doubling strings, huge ranges) stop within about a quarter
# of a second and a few tens of megabytes.

MAX_SOURCE_BYTES = 256 * 1024
MAX_MARKS = 2_000  # {{ }} and {% %} in one part; Liquid parses about 30,000 a second
MAX_MARK_CHARS = 1_000
MAX_MARK_CHARS_IN_ALL = 64 * 1024  # a filter needs five: Liquid parses about 30,000 of those a second, too
MAX_MARK_BLANKS = 100  # in a row: the Liquid lexer backtracks quadratically over whitespace inside an output or tag
MAX_NESTING = 20
MAX_ITERATIONS = 10_000
MAX_STEPS = 30_000  # nodes rendered, see MeteredContext
MAX_VALUE_CHARS = 256 * 1024  # input or output of one output or one filter
MAX_FILTER_CHARS = {"date": 100, "strip_html": 20_000}  # less, where a character costs more
MAX_OUTPUT_BYTES = 1024 * 1024
MAX_PUSH_TEXT_BYTES = 2_000  # of each text that is made from an e-mail's parts: FCM accepts 4,096 bytes for everything
MAX_TAGS_FOR_TEXT = 50_000  # HTML tags in a part that is converted to text, at about 4 microseconds each


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """Liquid sources. E-mail uses subject, html and text; push uses title, body, image and link. "" means absent.

    An `html` without markup is plain text: its HTML is made from it and keeps the paragraphs. `link_schemes` are schemes of
    apps' links that values may begin with (`myapp`), in the form of `urls.app_scheme`.
    """

    subject: str = ""
    html: str = ""
    text: str = ""
    title: str = ""
    body: str = ""
    image: str = ""
    link: str = ""
    link_schemes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """`subject` is one line without control characters; `html` is "" when the template has only text."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class RenderedPush:
    """Plain text. `title` is one line. `image` is an http(s) URL or "". `link` may also be an app's link or an address."""

    title: str
    body: str
    image: str
    link: str

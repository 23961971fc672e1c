"""A template's source, the limits of templates, and the errors of a template or its values."""

from dataclasses import dataclass


class TemplateError(Exception):
    """A template that cannot be saved, or cannot be rendered with these variables.

    `code` is stable and machine-readable: `template_empty`, `template_syntax`, `template_limit`, `unsafe_output`,
    `unsafe_url`, `missing_variables`, `template_render`, `channel_not_served`. `message` is for people and never holds
    a variable's value. `field` is the part it is about (`subject`, `html`, `text`, `title`, `body`, `image`, `link`)
    or "".
    """

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.code = code
        self.message = message
        self.field = field

    def in_field(self, field: str) -> None:
        """Name the part that this error is about, unless one is named already."""
        if not self.field:
            self.field = field
            self.args = (f"{field}: {self.message}",)


class MissingVariables(TemplateError):
    """Variables that the template needs were absent or null; `names` holds all of them, sorted."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__("missing_variables", f"missing variables: {', '.join(names)}")
        self.names = names


# How much one part of a template may ask for. Templates are written by callers: none may stall or fill a worker.
#
# With these, the worst sources known to the tests (nested loops, doubling strings, huge ranges) are stopped within about
# a quarter of a second and a few tens of megabytes.

MAX_SOURCE_BYTES = 256 * 1024
MAX_MARKUPS = 2_000  # {{ }} and {% %} in one part; Liquid parses about 30,000 a second
MAX_MARKUP_CHARS = 1_000
MAX_MARKUP_CHARS_IN_ALL = 64 * 1024  # a filter needs five: Liquid parses about 30,000 of those a second, too
MAX_MARKUP_BLANKS = 100  # in a row: the Liquid lexer backtracks quadratically over blanks inside a markup
MAX_NESTING = 20
MAX_ITERATIONS = 10_000
MAX_STEPS = 30_000  # nodes rendered, see MeteredContext
MAX_VALUE_CHARS = 256 * 1024  # what one output or one filter may take or give
MAX_FILTER_CHARS = {"date": 100, "strip_html": 20_000}  # less, where a character costs more
MAX_OUTPUT_BYTES = 1024 * 1024
MAX_PUSH_TEXT_BYTES = 2_000  # of what is made from an e-mail's parts: FCM takes 4,096 for everything
MAX_TAGS_FOR_TEXT = 50_000  # HTML tags in what is made into text, at about 4 microseconds each


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """Liquid sources. E-mail uses subject, html and text; push uses title, body, image and link. "" means absent.

    `html` without any markup is plain text: its HTML is made from it, with its paragraphs. `link_schemes` are those of
    apps' links that values may begin with (`myapp`), each as `urls.app_scheme` gives it.
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
    """Plain text; `title` is one line; `image` is an http(s) URL or ""; `link` may be an app's or an address, too."""

    title: str
    body: str
    image: str
    link: str

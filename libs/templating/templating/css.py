"""Values in CSS: which ones are allowed in a `style` attribute and in `<style>`, and the context of a value in it.

A value is a word, number, colour, font name, calculation, gradient or picture's address. Anything else becomes empty: a
value never ends its declaration, begins another one, or calls a function that is not in the list here.
"""

import re
from dataclasses import dataclass, replace
from urllib.parse import quote

from templating.urls import MAX_BEGINNING, guard_url

_MAX_CHARS = 500
_COLOR = r"(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\([\w#%.,+\-/ ]*\)"
_TOKEN = re.compile(
    rf"{_COLOR}|(?:calc|min|max|clamp)\([\w%.,+\-*/ ]*\)"
    rf"|(?:repeating-)?(?:linear|radial|conic)-gradient\((?:{_COLOR}|[\w#%.,+\- ])*\)"
    r"|'[\w \-]*'|\"[\w \-]*\""
    r"|url\((?P<quote>['\"]?)(?P<url>[^\s'\"()\\<>]*)(?P=quote)\)"
    r"|[\w#%.,+\-/ ]",
    re.ASCII | re.IGNORECASE,
)
_ONE_COLOR_OR_NUMBER = re.compile(
    rf"#[0-9a-f]{{3,8}}|{_COLOR}|[+-]?(?:\d+\.?\d*|\.\d+)(?:%|[a-z]{{1,4}})?", re.ASCII | re.IGNORECASE
)
_UNSAFE_IN_URL = re.compile(r"[\s'\"()\\<>\x00-\x1f\x7f]")
_UNSAFE_IN_STRING = re.compile(r"[\\'\"<>{}();\x00-\x1f\x7f]")
_SPECIAL = re.compile(r"url\(\s*(['\"]?)|(['\"])|(/\*)", re.IGNORECASE)
_NAMES = frozenset(
    """
    aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet brown burlywood
    cadetblue chartreuse chocolate coral cornflowerblue cornsilk crimson currentcolor cyan darkblue darkcyan
    darkgoldenrod darkgray darkgreen darkgrey darkkhaki darkmagenta darkolivegreen darkorange darkorchid darkred
    darksalmon darkseagreen darkslateblue darkslategray darkslategrey darkturquoise darkviolet deeppink deepskyblue
    dimgray dimgrey dodgerblue firebrick floralwhite forestgreen fuchsia gainsboro ghostwhite gold goldenrod gray
    green greenyellow grey honeydew hotpink indianred indigo ivory khaki lavender lavenderblush lawngreen lemonchiffon
    lightblue lightcoral lightcyan lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon
    lightseagreen lightskyblue lightslategray lightslategrey lightsteelblue lightyellow lime limegreen linen magenta
    maroon mediumaquamarine mediumblue mediumorchid mediumpurple mediumseagreen mediumslateblue mediumspringgreen
    mediumturquoise mediumvioletred midnightblue mintcream mistyrose moccasin navajowhite navy oldlace olive olivedrab
    orange orangered orchid palegoldenrod palegreen paleturquoise palevioletred papayawhip peachpuff peru pink plum
    powderblue purple rebeccapurple red rosybrown royalblue saddlebrown salmon sandybrown seagreen seashell sienna
    silver skyblue slateblue slategray slategrey snow springgreen steelblue tan teal thistle tomato transparent
    turquoise violet wheat white whitesmoke yellow yellowgreen
    """.split()  # noqa: SIM905 - as a list it would be a hundred and fifty lines
)


@dataclass(frozen=True, slots=True)
class CssState:
    """The state of CSS at the end of a text. `inside` is "" among values, else the enclosing construct: a quote, `/*`,
    `url(`, `url('` or `url("`. `beginning` is the beginning of an address.
    """

    inside: str = ""
    beginning: str = ""

    def after(self, text: str) -> "CssState":
        """The state after this literal text."""
        state, position = self, 0
        while position < len(text):
            state, position = state._step(text, position)
        return state

    @property
    def in_address(self) -> bool:
        return self.inside.startswith("url(")

    def _step(self, text: str, position: int) -> tuple["CssState", int]:
        if not self.inside:
            found = _SPECIAL.search(text, position)
            if found is None:
                return self, len(text)
            address_quote, string, comment = found.groups()
            return CssState(string or comment or f"url({address_quote}"), found.end()
        if self.inside == "/*":
            end = text.find("*/", position)
            return (self, len(text)) if end < 0 else (AMONG_VALUES, end + 2)
        return self._step_in_text(text, position)

    def _step_in_text(self, text: str, position: int) -> tuple["CssState", int]:
        closing = self.inside[-1] if self.inside != "url(" else ")"
        found = re.compile(rf"\\.|{re.escape(closing)}", re.DOTALL).search(text, position)
        end = len(text) if found is None else found.start()
        state = self.extended(text[position:end])
        if found is None:
            return state, len(text)
        if found.group() != closing:
            return state.extended(found.group()), found.end()
        return AMONG_VALUES, found.end()

    def extended(self, text: str) -> "CssState":
        """The state after more of the address, if it is in an address."""
        space = MAX_BEGINNING - len(self.beginning)
        return replace(self, beginning=self.beginning + text[:space]) if self.in_address and space > 0 else self


AMONG_VALUES = CssState()


def safe_value(text: str) -> str:
    """The text if it can be part of a declaration's value, else ""."""
    if len(text) > _MAX_CHARS or "/*" in text:
        return ""
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or (token["url"] and guard_url(token["url"]) != token["url"]):
            return ""
        position = token.end()
    return text


def color_or_number(text: str) -> str:
    """The text if it is one colour or one number with its unit, else ""."""
    value = text.strip()
    known = len(value) <= _MAX_CHARS and (_ONE_COLOR_OR_NUMBER.fullmatch(value) or value.lower() in _NAMES)
    return value if known else ""


def address(text: str) -> str:
    """The text as part of an address in `url(...)`: nothing in it can end the address."""
    return _UNSAFE_IN_URL.sub(lambda found: quote(found.group(), safe=""), text)


def string(text: str) -> str:
    """The text if it can be part of a quoted string, else ""."""
    return "" if _UNSAFE_IN_STRING.search(text) else text

"""Values in scripts: JSON where a script expects a value, and nothing anywhere else."""

import re

_PIECE = re.compile(r"""['"`]|//|/\*|/""")
_ENDS = {"'": re.compile(r"\\.|'", re.DOTALL), '"': re.compile(r'\\.|"', re.DOTALL)} | {
    "`": re.compile(r"\\.|`", re.DOTALL),
    "//": re.compile(r"[\r\n\u2028\u2029]"),
    "/*": re.compile(r"\*/"),
}
UNKNOWN = "/"
"""A lone slash may begin a regular expression, in which a quote is no quote: what follows could be anything."""

_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "'`$<>&\u2028\u2029"}


def inside_after(inside: str, text: str) -> str:
    """The construct that the script is in after this literal text: "" for code, else a quote, `//`, `/*` or UNKNOWN."""
    position = 0
    while position < len(text) and inside != UNKNOWN:
        found = (_ENDS[inside] if inside else _PIECE).search(text, position)
        if found is None:
            return inside
        position = found.end()
        if not inside:
            inside = found.group()
        elif not found.group().startswith("\\"):
            inside = ""
    return inside


def safe_json(text: str) -> str:
    """JSON that cannot end any quote, template string, tag or comment of a script or page."""
    return text.translate(_ESCAPES).replace("\0", "")

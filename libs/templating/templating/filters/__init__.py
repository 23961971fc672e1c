"""The filters for templates: all standard filters of Liquid, and `json`.

They replace python-liquid's filters because they print, count and compare as the Liquid reference does (docs/adr/0014), and
because they distinguish the template's markup from a value's text (`markup_text.py`).

Each filter gets the value on its left, then its arguments. A wrong number of arguments is refused when the template is
saved. FilterArgumentError is for arguments and values that a filter cannot work with.
"""

from collections.abc import Callable, Mapping
from typing import Final

from templating.filters import dates, encodings, lists, numbers, strings
from templating.values import is_empty, truthy

Filter = Callable[..., object]


def default(value: object, instead: object = "", *, allow_false: object = False) -> object:
    """The value, or the other one if it is nil, false (unless allowed) or empty."""
    present = truthy(value) or (value is False and truthy(allow_false))
    return value if present and not is_empty(value) else instead


FILTERS: Final[Mapping[str, Filter]] = {
    "abs": numbers.absolute,
    "append": strings.append,
    "at_least": numbers.at_least,
    "at_most": numbers.at_most,
    "base64_decode": encodings.base64_decode,
    "base64_encode": encodings.base64_encode,
    "base64_url_safe_decode": encodings.base64_url_safe_decode,
    "base64_url_safe_encode": encodings.base64_url_safe_encode,
    "capitalize": strings.capitalize,
    "ceil": numbers.ceil,
    "compact": lists.compact,
    "concat": lists.concat_lists,
    "date": dates.date,
    "default": default,
    "divided_by": numbers.divided_by,
    "downcase": strings.downcase,
    "escape": encodings.escape,
    "escape_once": encodings.escape_once,
    "find": lists.find,
    "find_index": lists.find_index,
    "first": lists.first,
    "floor": numbers.floor,
    "h": encodings.escape,
    "has": lists.has,
    "join": lists.join,
    "json": encodings.to_json,
    "last": lists.last,
    "lstrip": strings.lstrip,
    "map": lists.map_,
    "minus": numbers.minus,
    "modulo": numbers.modulo,
    "newline_to_br": strings.newline_to_br,
    "plus": numbers.plus,
    "prepend": strings.prepend,
    "reject": lists.reject,
    "remove": strings.remove,
    "remove_first": strings.remove_first,
    "remove_last": strings.remove_last,
    "replace": strings.replace,
    "replace_first": strings.replace_first,
    "replace_last": strings.replace_last,
    "reverse": lists.reverse,
    "round": numbers.round_half_away,
    "rstrip": strings.rstrip,
    "size": lists.size,
    "slice": strings.slice_,
    "sort": lists.sort,
    "sort_natural": lists.sort_natural,
    "split": strings.split,
    "squish": strings.squish,
    "strip": strings.strip,
    "strip_html": strings.strip_html,
    "strip_newlines": strings.strip_newlines,
    "sum": lists.sum_,
    "times": numbers.times,
    "truncate": strings.truncate,
    "truncatewords": strings.truncatewords,
    "uniq": lists.uniq,
    "upcase": strings.upcase,
    "url_decode": encodings.url_decode,
    "url_encode": encodings.url_encode,
    "where": lists.where,
}

"""What each output of an HTML template lands in, and so how its value must be written there.

Decided once, when the template is compiled: escaping alone does not make a value safe at the beginning of a link, and
no escaping makes it safe in a script. Branches and loops must leave the HTML where they found it, so that one reading
of the source holds for every way it can render.
"""

from collections.abc import Iterable
from dataclasses import replace

from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode

from templating.errors import TemplateError
from templating.html_state import HtmlState, Mode, scan, with_value
from templating.liquid_engine import WrittenOutput
from templating.urls import OUTPUT_MARK, UrlStart, classify
from templating.values import Writer, css_text, html_text, url_text

_URL_ATTRIBUTES = frozenset(
    {"href", "src", "action", "formaction", "background", "poster", "cite", "data", "longdesc", "ping", "srcset"}
    | {"xlink:href", "codebase", "manifest", "lowsrc", "dynsrc", "usemap", "icon"}
)
_ESCAPABLE_RAW_TAGS = frozenset({"title", "textarea"})
_UNSAFE_TAGS = frozenset({"base", "meta"})  # their attributes redirect the whole document
_EITHER = "?"  # an attribute that is a different one in each branch


def set_writers(nodes: Iterable[Node]) -> None:
    """Give every output its writer. Raises `unsafe_output` or `unsafe_url` where no value could be written safely."""
    _through(nodes, HtmlState())


def _through(nodes: Iterable[Node], state: HtmlState) -> HtmlState:
    for node in nodes:
        state = _after(node, state)
    return state


def _after(node: Node, state: HtmlState) -> HtmlState:
    match node:
        case ContentNode():
            return scan(state, node.text)
        case WrittenOutput():
            node.write = _writer(state)
            return with_value(state, OUTPUT_MARK) if state.mode is Mode.VALUE else state
        case BreakNode() | ContinueNode() if state.mode is not Mode.TEXT:
            raise TemplateError("unsafe_output", "a loop cannot be left inside an HTML tag")
        case _:
            return _after_tag(node, state)


def _after_tag(node: Node, state: HtmlState) -> HtmlState:
    match node:
        case IfNode() | UnlessNode():
            blocks = [node.consequence, *(alternative.block for alternative in node.alternatives)]
            return _after_branches([*blocks, node.default], state)
        case CaseNode():
            whens = [block if isinstance(block, BlockNode) else block.block for block in node.blocks]
            return _after_branches([*whens, None], state)
        case ForNode():
            return _join(_after_loop(node.block, state), _after_branches([node.default], state))
        case CaptureNode():
            _join(HtmlState(), _through(node.block.nodes, HtmlState()))
    return state


def _after_branches(blocks: Iterable[BlockNode | None], state: HtmlState) -> HtmlState:
    ends = [_through(block.nodes, state) if block is not None else state for block in blocks]
    joined = ends[0]
    for end in ends[1:]:
        joined = _join(joined, end)
    return joined


def _after_loop(block: BlockNode, state: HtmlState) -> HtmlState:
    again = _join(state, _through(block.nodes, state))
    return again if again == state else _join(again, _through(block.nodes, again))


def _join(one: HtmlState, other: HtmlState) -> HtmlState:
    """The state that both are; of two beginnings of the same attribute's value, the worse."""
    if one == other:
        return one
    if (one.mode, one.tag, one.quote) != (other.mode, other.tag, other.quote):
        raise TemplateError("unsafe_output", "the branches of a tag leave the HTML in different places")
    attribute = one.attribute if one.attribute == other.attribute else _EITHER
    return replace(one, attribute=attribute, value=_joined_value({classify(one.value), classify(other.value)}))


def _joined_value(kinds: set[UrlStart]) -> str:
    """A beginning that stands for any of these kinds: the worst of them."""
    if UrlStart.UNSAFE in kinds:
        return f"{OUTPUT_MARK}:"
    return "/" if kinds == {UrlStart.CLOSED} else OUTPUT_MARK


def _writer(state: HtmlState) -> Writer:
    match state:
        case HtmlState(mode=Mode.TEXT | Mode.COMMENT):
            return html_text
        case HtmlState(mode=Mode.RAW, tag=tag) if tag in _ESCAPABLE_RAW_TAGS:
            return html_text
        case HtmlState(mode=Mode.RAW, tag=tag):
            raise TemplateError("unsafe_output", f"an output cannot be inside <{tag}>")
        case HtmlState(mode=Mode.BEFORE_VALUE, attribute=name) | HtmlState(mode=Mode.VALUE, attribute=name, quote=""):
            raise TemplateError("unsafe_output", f"put quotes around the value of '{name}': an output is part of it")
        case HtmlState(mode=Mode.VALUE):
            return _attribute_writer(state)
        case _:
            raise TemplateError("unsafe_output", "an output cannot be a tag's or an attribute's name")


def _attribute_writer(state: HtmlState) -> Writer:
    name = state.attribute
    if name.startswith("on") or name in {"srcdoc", _EITHER} or state.tag in _UNSAFE_TAGS:
        raise TemplateError("unsafe_output", f"an output cannot be inside the attribute '{name}' of <{state.tag}>")
    if name == "style":
        return css_text
    return _url_writer(state.value) if name in _URL_ATTRIBUTES else html_text


def _url_writer(beginning: str) -> Writer:
    match classify(beginning):
        case UrlStart.CLOSED:
            return html_text
        case UrlStart.OPEN:
            return url_text
        case UrlStart.UNSAFE:
            raise TemplateError("unsafe_url", "a URL's scheme must be http, https, mailto, tel, sms or cid")

"""Determines the context of each output in an HTML template, and therefore how its value must be escaped.

This is decided once, when the template is compiled. Escaping alone does not make a value safe at the beginning of a link,
and no escaping makes it safe in a script. Branches and loops must end in the same state of the HTML in which they began, so
that one reading of the source is valid for every way of rendering it.
"""

from collections.abc import Iterable
from dataclasses import replace

from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.builtin.tags.decrement_tag import DecrementNode
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.ifchanged_tag import IfChangedNode
from liquid.builtin.tags.increment_tag import IncrementNode
from liquid.builtin.tags.liquid_tag import LiquidNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.builtin.tags.unless_tag import UnlessNode

from templating.css import CssState
from templating.html_state import HtmlState, Mode, scan, with_output
from templating.script import UNKNOWN
from templating.source import TemplateError
from templating.tags import WrittenCycle, WrittenOutput
from templating.urls import OUTPUT_MARK, UrlStart, classify
from templating.values import (
    Writer,
    attribute_text,
    captured_text,
    css_color_or_number,
    css_string,
    css_text,
    css_url,
    css_url_rest,
    html_text,
    nothing,
    script_json,
    url_text,
)

_URL_ATTRIBUTES = frozenset(
    {"href", "src", "action", "formaction", "background", "poster", "cite", "data", "longdesc", "ping", "srcset"}
    | {"xlink:href", "codebase", "manifest", "lowsrc", "dynsrc", "usemap", "icon"}
)
_UNSAFE_TAGS = frozenset({"base", "meta"})  # their attributes redirect the whole document
_EITHER = "?"  # an attribute that differs between branches


def set_writers(nodes: Iterable[Node]) -> None:
    """Gives every output its writer. Raises `unsafe_output` or `unsafe_url` if no value could be written safely there."""
    _through(nodes, HtmlState())


def _through(nodes: Iterable[Node], state: HtmlState, *, captured: bool = False) -> HtmlState:
    for node in nodes:
        state = _after(node, state, captured)
    return state


def _after(node: Node, state: HtmlState, captured: bool) -> HtmlState:
    match node:
        case ContentNode():
            return scan(state, node.text)
        case WrittenOutput() | WrittenCycle():
            writer = _writer(state, node)
            node.write = captured_text if captured and writer is html_text else writer
            return with_output(state) if state.mode is Mode.VALUE else state
        case IncrementNode() | DecrementNode():
            _writer(state, node)  # a number is safe wherever a value is allowed
            return with_output(state) if state.mode is Mode.VALUE else state
        case BreakNode() | ContinueNode() if state.mode is not Mode.TEXT:
            raise TemplateError("unsafe_output", "a loop cannot be left inside an HTML tag")
        case _:
            return _after_tag(node, state, captured)


def _after_tag(node: Node, state: HtmlState, captured: bool) -> HtmlState:
    match node:
        case IfNode() | UnlessNode() | CaseNode() | IfChangedNode():
            return _after_branches(_branches(node), state, captured)
        case ForNode():
            return _join(_after_loop(node.block, state, captured), _after_branches([node.default], state, captured))
        case TablerowNode():
            if state.mode is not Mode.TEXT:
                raise TemplateError("unsafe_output", "a tablerow cannot be inside an HTML tag")
            return _after_loop(node.block, state, captured)
        case LiquidNode():
            return _through(node.block.nodes, state, captured=captured)
        case CaptureNode():
            _join(HtmlState(), _through(node.block.nodes, HtmlState(), captured=True))
    return state


def _branches(node: IfNode | UnlessNode | CaseNode | IfChangedNode) -> list[BlockNode | None]:
    """The blocks of which at most one is rendered. None stands for an empty block."""
    match node:
        case IfChangedNode():
            return [node.block, None]
        case CaseNode():
            return [*(block if isinstance(block, BlockNode) else block.block for block in node.blocks), None]
        case _:
            return [node.consequence, *(alternative.block for alternative in node.alternatives), node.default]


def _after_branches(blocks: Iterable[BlockNode | None], state: HtmlState, captured: bool) -> HtmlState:
    ends = [_through(block.nodes, state, captured=captured) if block is not None else state for block in blocks]
    joined = ends[0]
    for end in ends[1:]:
        joined = _join(joined, end)
    return joined


def _after_loop(block: BlockNode, state: HtmlState, captured: bool) -> HtmlState:
    """Inside a loop only the kind of a URL's beginning is kept: open, closed or unsafe. Otherwise every nested loop would be
    analysed twice, a million times at the deepest level.
    """
    state = _kind_only(state)
    again = _join(state, _kind_only(_through(block.nodes, state, captured=captured)))
    return again if again == state else _join(again, _kind_only(_through(block.nodes, again, captured=captured)))


def _kind_only(state: HtmlState) -> HtmlState:
    value = _joined(state.value, state.value) if state.value else ""
    css = (
        replace(state.css, beginning=_joined(state.css.beginning, state.css.beginning))
        if state.css.in_address
        else state.css
    )
    return replace(state, value=value, css=css)


def _join(one: HtmlState, other: HtmlState) -> HtmlState:
    """The common state of both. For two beginnings of one attribute's value, the less safe one."""
    if one == other:
        return one
    if (one.mode, one.tag, one.quote, one.css.inside) != (other.mode, other.tag, other.quote, other.css.inside):
        raise TemplateError("unsafe_output", "the branches of a tag leave the HTML in different places")
    attribute = one.attribute if one.attribute == other.attribute else _EITHER
    css = (
        one.css if one.css == other.css else replace(one.css, beginning=_joined(one.css.beginning, other.css.beginning))
    )
    script = one.script if one.script == other.script else UNKNOWN
    return replace(one, attribute=attribute, value=_joined(one.value, other.value), css=css, script=script)


def _joined(one: str, other: str) -> str:
    """A beginning that represents both: the less safe one."""
    kinds = {classify(one), classify(other)}
    if UrlStart.UNSAFE in kinds:
        return f"{OUTPUT_MARK}:"
    return "/" if kinds == {UrlStart.CLOSED} else OUTPUT_MARK


def _writer(state: HtmlState, node: Node) -> Writer:
    match state:
        case HtmlState(mode=Mode.TEXT):
            return html_text
        case HtmlState(mode=Mode.COMMENT) | HtmlState(mode=Mode.RAW, tag="title" | "textarea"):
            return attribute_text
        case HtmlState(mode=Mode.RAW, tag="style"):
            return css_color_or_number
        case HtmlState(mode=Mode.RAW, tag="script"):
            return _script_writer(state, node)
        case HtmlState(mode=Mode.RAW, tag=tag):
            raise TemplateError("unsafe_output", f"an output cannot be inside <{tag}>")
        case HtmlState(mode=Mode.BEFORE_VALUE, attribute=name) | HtmlState(mode=Mode.VALUE, attribute=name, quote=""):
            raise TemplateError("unsafe_output", f"put quotes around the value of '{name}': an output is part of it")
        case HtmlState(mode=Mode.VALUE):
            return _attribute_writer(state)
        case _:
            raise TemplateError("unsafe_output", "an output cannot be a tag's or an attribute's name")


def _script_writer(state: HtmlState, node: Node) -> Writer:
    match node:
        case WrittenOutput(expression=FilteredExpression(filters=[*_, last])) if last.name == "json":
            if not state.script:
                return script_json
            raise TemplateError("unsafe_output", "inside <script>, '| json' makes the quotes: put none around it")
    raise TemplateError("unsafe_output", "an output inside <script> must end in '| json'")


def _attribute_writer(state: HtmlState) -> Writer:
    name = state.attribute
    if name.startswith("on") or name in {"srcdoc", _EITHER} or state.tag in _UNSAFE_TAGS:
        raise TemplateError("unsafe_output", f"an output cannot be inside the attribute '{name}' of <{state.tag}>")
    if name == "style":
        return _css_writer(state.css)
    return _url_writer(state.value, url_text, attribute_text) if name in _URL_ATTRIBUTES else attribute_text


def _css_writer(state: CssState) -> Writer:
    if state.in_address:
        return _url_writer(state.beginning, css_url, css_url_rest)
    return {"": css_text, "/*": nothing}.get(state.inside, css_string)


def _url_writer(beginning: str, start: Writer, rest: Writer) -> Writer:
    match classify(beginning):
        case UrlStart.CLOSED:
            return rest
        case UrlStart.OPEN:
            return start
        case UrlStart.UNSAFE:
            raise TemplateError("unsafe_url", "a URL's scheme must be http, https, mailto, tel, sms or cid")

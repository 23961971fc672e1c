"""Reads PromQL far enough to know which series an expression asks for and which labels its result has.

Label matchers, functions and grouping labels are told from metrics by grammar, not by their looks. What the rules and the
dashboards do not use is not understood: it raises ValueError.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""\s*(?:\#[^\n]*\s*)*(?:
    (?P<string>"(?:\\.|[^"\\])*")
  | (?P<range>\[[^\]]*\])
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<name>[A-Za-z_:][\w:]*)
  | (?P<sign>==|!=|<=|>=|=~|!~|[-+*/%^<>=(){},])
  )""",
    re.VERBOSE,
)
AGGREGATIONS = frozenset({"sum", "max", "min", "avg", "count"})
FUNCTIONS = frozenset({"rate", "increase", "delta", "abs", "max_over_time", "min_over_time"})  # labels stay as they are
OPERATORS = frozenset({"+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "and", "or", "unless"})
Labels = frozenset[str]


@dataclass(frozen=True, slots=True)
class Matcher:
    label: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric that an expression asks for."""

    metric: str
    matchers: tuple[Matcher, ...]


LabelsOf = Callable[[Selector], Labels]  # raises LookupError for what does not exist


class Query:
    """`labels` of the result; raises what `labels_of` raises, and LookupError for a grouping label that is not there."""

    def __init__(self, expression: str, labels_of: LabelsOf) -> None:
        self._expression = expression
        self._labels_of = labels_of
        self._tokens = [*_tokens(expression), ""]
        self._place = 0
        self.labels = self._expr()
        self._expect("")

    def _expr(self) -> Labels:
        labels = self._operand()
        while self._peek() in OPERATORS:
            operator = self._take()
            self._skip("bool")
            on = self._clause("on")
            if on is None and self._peek() in {"ignoring", "group_left", "group_right"}:
                raise ValueError(f"{self._peek()} is not understood: {self._expression}")
            right = self._operand()
            labels = self._combined(operator, labels, right, on)
        return labels

    def _combined(self, operator: str, left: Labels, right: Labels, on: Labels | None) -> Labels:
        self._check(on or frozenset(), left & right)
        if operator == "or":
            return left & right or left | right  # `or vector(0)` has no labels
        if operator in {"and", "unless"}:
            return left
        return on if on is not None else left or right  # a number has no labels

    def _operand(self) -> Labels:
        self._skip("-")
        token = self._take()
        if token[0].isdigit():
            return frozenset()
        if token == "(":
            labels = self._expr()
            self._expect(")")
        elif token in AGGREGATIONS:
            labels = self._aggregation()
        elif self._peek() == "(":
            labels = self._call(token)
        else:
            labels = self._labels_of(self._selector(token))
        if self._peek().startswith("["):
            self._take()
        return labels

    def _aggregation(self) -> Labels:
        by = self._clause("by")
        self._expect("(")
        inner = self._expr()
        self._expect(")")
        by = by if by is not None else self._clause("by")
        self._check(by or frozenset(), inner)
        return by or frozenset()

    def _call(self, function: str) -> Labels:
        self._expect("(")
        if function == "time":
            labels: Labels = frozenset()
        elif function == "absent":
            selector = self._selector(self._take())
            self._labels_of(selector)
            labels = frozenset(matcher.label for matcher in selector.matchers if matcher.operator == "=")
        elif function == "histogram_quantile":
            self._take()
            self._expect(",")
            inner = self._expr()
            self._check(frozenset({"le"}), inner)
            labels = inner - {"le"}
        elif function in FUNCTIONS or function == "vector":
            labels = self._expr()
        else:
            raise ValueError(f"{function} is not understood: {self._expression}")
        self._expect(")")
        return labels

    def _selector(self, metric: str) -> Selector:
        if not re.fullmatch(r"[A-Za-z_:][\w:]*", metric):
            raise ValueError(f"{metric!r} is no metric: {self._expression}")
        matchers = []
        if self._skip("{"):
            while not self._skip("}"):
                matchers.append(Matcher(self._take(), self._take(), self._take()[1:-1].replace("\\\\", "\\")))
                self._skip(",")
        return Selector(metric, tuple(matchers))

    def _clause(self, word: str) -> Labels | None:
        """`by (a, b)`: its labels, or None when there is no such clause here."""
        if not self._skip(word):
            return None
        self._expect("(")
        labels = []
        while not self._skip(")"):
            labels.append(self._take())
            self._skip(",")
        return frozenset(labels)

    def _check(self, wanted: Labels, there: Labels) -> None:
        if missing := wanted - there:
            raise LookupError(f"no label {', '.join(sorted(missing))} in {self._expression}")

    def _peek(self) -> str:
        return self._tokens[self._place]

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise ValueError(f"it ends too early: {self._expression}")
        self._place += 1
        return token

    def _skip(self, token: str) -> bool:
        found = self._peek() == token
        self._place += found
        return found

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            raise ValueError(f"{token or 'the end'!r} expected instead of {self._peek()!r}: {self._expression}")
        self._place += bool(token)


def _tokens(expression: str) -> Iterator[str]:
    place, text = 0, expression.rstrip()
    while place < len(text):
        found = TOKEN.match(text, place)
        if not found:
            raise ValueError(f"{text[place : place + 10]!r} is not understood: {expression}")
        yield found.group(found.lastgroup or 0)
        place = found.end()

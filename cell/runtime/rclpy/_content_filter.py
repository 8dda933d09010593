"""Content filters: DDS's filter language, compiled to a predicate on messages.

The grammar is that of DDS 1.4, annex B, for conditions of a filter: comparisons of a field with a value, a parameter or
another field, BETWEEN, LIKE, AND, OR, NOT and parentheses. Words are case-insensitive, field names are not. LIKE takes
`%` and `_` as in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ._rclpy_errors import RCLError

Predicate = Callable[[Any], bool]
Term = Callable[[Any], Any]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<float>[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?)
      | (?P<integer>[+-]?(?:0[xX][0-9a-fA-F]+|\d+))(?![\w.])
      | (?P<text>'(?:[^']|'')*'|`(?:[^'`])*')
      | %(?P<parameter>\d{1,2})
      | (?P<field>[A-Za-z_]\w*(?:\[\d+\])?(?:\.[A-Za-z_]\w*(?:\[\d+\])?)*)
      | (?P<operator><>|!=|<=|>=|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)
_WORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "LIKE", "MATCH", "TRUE", "FALSE"})
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: bool(left == right),
    "<>": lambda left, right: bool(left != right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    ">": lambda left, right: bool(left > right),
    "<=": lambda left, right: bool(left <= right),
    ">=": lambda left, right: bool(left >= right),
}


def compile_filter(expression: str, parameters: Sequence[str], interface: type[Any]) -> Predicate:
    """The predicate of an expression on messages of a type.

    Raises:
        RCLError: the expression is not well formed, or names a field or a parameter that does not exist.
    """
    return _Parser(expression, parameters, interface).parse()


class _Parser:
    def __init__(self, expression: str, parameters: Sequence[str], interface: type[Any]) -> None:
        self._expression = expression
        self._parameters = parameters
        self._sample = interface()
        self._tokens = self._split(expression)
        self._next = 0

    def parse(self) -> Predicate:
        predicate = self._alternatives()
        if self._next != len(self._tokens):
            raise self._error(f"unexpected {self._tokens[self._next][1]!r}")
        return predicate

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise self._error(f"unexpected {text[position:].strip()[:20]!r}")
            kind, value = match.lastgroup, match[match.lastgroup]
            if kind == "field" and value.upper() in _WORDS:
                kind, value = "word", value.upper()
            tokens.append((kind, value))
            position = match.end()
        return tokens

    def _error(self, reason: str) -> RCLError:
        return RCLError(f"failed to set the content filter {self._expression!r}: {reason}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _accept(self, *values: str) -> bool:
        kind, value = self._peek()
        if kind in ("word", "operator") and value in values:
            self._next += 1
            return True
        return False

    def _expect(self, value: str) -> None:
        if not self._accept(value):
            raise self._error(f"{value} expected")

    def _alternatives(self) -> Predicate:
        predicate = self._conjunction()
        while self._accept("OR"):
            predicate = _either(predicate, self._conjunction())
        return predicate

    def _conjunction(self) -> Predicate:
        predicate = self._condition()
        while self._accept("AND"):
            predicate = _both(predicate, self._condition())
        return predicate

    def _condition(self) -> Predicate:
        if self._accept("NOT"):
            denied = self._condition()
            return lambda message: not denied(message)
        if self._accept("("):
            predicate = self._alternatives()
            self._expect(")")
            return predicate
        return self._comparison()

    def _comparison(self) -> Predicate:
        left_is_field = self._peek()[0] == "field"
        left, left_sample = self._term()
        negated = self._accept("NOT")
        if self._accept("BETWEEN"):
            low, low_sample = self._term()
            self._expect("AND")
            high, high_sample = self._term()
            self._check(left_sample, low_sample)
            self._check(left_sample, high_sample)
            return lambda message: (low(message) <= left(message) <= high(message)) is not negated
        if self._accept("LIKE", "MATCH"):
            _pattern, sample = self._term()
            if not isinstance(left_sample, str) or not isinstance(sample, str):
                raise self._error("LIKE compares texts")
            compiled = _like(sample)
            return lambda message: (compiled.fullmatch(left(message)) is not None) is not negated
        kind, operator = self._peek()
        if negated or kind != "operator" or operator not in _COMPARISONS:
            raise self._error("a comparison expected")
        self._next += 1
        right_is_field = self._peek()[0] == "field"
        right, right_sample = self._term()
        if not left_is_field and not right_is_field:
            raise self._error("a comparison needs a field")
        self._check(left_sample, right_sample)
        compare = _COMPARISONS[operator]
        return lambda message: compare(left(message), right(message))

    def _term(self) -> tuple[Term, Any]:
        """A function that gives the value of a term, and a value of the type that it gives."""
        kind, value = self._peek()
        self._next += 1
        if kind == "field":
            return self._field(value)
        if kind == "parameter":
            number = int(value)
            if number >= len(self._parameters):
                raise self._error(f"there is no parameter %{number}")
            return _constant(self._literal(self._parameters[number]))
        if kind in ("integer", "float", "text") or value in ("TRUE", "FALSE"):
            return _constant(self._literal(value))
        raise self._error(f"a field or a value expected, not {value!r}" if value else "it ends too early")

    def _literal(self, text: str) -> Any:
        text = text.strip()
        if text.upper() in ("TRUE", "FALSE"):
            return text.upper() == "TRUE"
        if len(text) >= 2 and text[0] in "'`" and text[-1] == "'":
            return text[1:-1].replace("''", "'")
        try:
            return int(text, 0)
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            return text

    def _field(self, path: str) -> tuple[Term, Any]:
        steps: list[str | int] = []
        for part in path.split("."):
            name, _, index = part.partition("[")
            steps.append(name)
            if index:
                steps.append(int(index[:-1]))
        sample: Any = self._sample
        for step in steps:
            if isinstance(step, int):
                # Of a list that is empty by default, any element: what is compared then is known with the message only.
                sample = sample[step] if step < len(sample) else None
            elif sample is None:
                break
            elif step in getattr(type(sample), "_fields_and_field_types", {}):
                sample = getattr(sample, step)
            else:
                raise self._error(f"{type(sample).__name__} has no field {step!r}")
        if hasattr(sample, "_fields_and_field_types"):
            raise self._error(f"{path!r} is a message, not a value")

        def read(message: Any) -> Any:
            value = message
            for step in steps:
                value = value[step] if isinstance(step, int) else getattr(value, step)
            return value[0] if isinstance(value, bytes) and len(value) == 1 else value

        return read, sample[0] if isinstance(sample, bytes) and len(sample) == 1 else sample

    def _check(self, left: Any, right: Any) -> None:
        if left is not None and right is not None and isinstance(left, str) is not isinstance(right, str):
            raise self._error("a text is compared with a number")


def _constant(value: Any) -> tuple[Term, Any]:
    return lambda _: value, value


def _either(first: Predicate, second: Predicate) -> Predicate:
    return lambda message: first(message) or second(message)


def _both(first: Predicate, second: Predicate) -> Predicate:
    return lambda message: first(message) and second(message)


def _like(pattern: str) -> re.Pattern[str]:
    parts = (".*" if letter == "%" else "." if letter == "_" else re.escape(letter) for letter in pattern)
    return re.compile("".join(parts), re.DOTALL)

"""JSONata source to a tree, by the parser of jsonata-python, held to what Step Functions runs.

That library implements JSONata 2.1; Step Functions is at 2.0.6, without `$eval`, `?:` and `??`. The
last two are refused while parsing: the library copies their left side, so that a nest of them takes
exponential time. A node's `position` is the end of its token, in characters of the source.
"""

from __future__ import annotations

import re
from functools import cache
from threading import Lock
from typing import Any

from jsonata.jexception import JException
from jsonata.parser import Parser
from jsonata.regex_engine import RegexFlags

from opscore.workflows.nodes import short

MAX_LENGTH = 16 * 1024
MAX_TOKENS = 4_000
_TOO_NEW = {"?:": "a ? a : b", "??": "$exists(a) ? a : b"}
_MESSAGES = {
    "S0101": "a string is not closed",
    "S0102": "a number is too large",
    "S0103": "an unknown escape in a string",
    "S0104": "\\u in a string takes four hex digits",
    "S0105": "a backquote is not closed",
    "S0106": "a comment is not closed",
    "S0201": "'{0}' is not expected here",
    "S0202": "'{0}' is expected, not '{1}'",
    "S0203": "'{0}' is expected before the end",
    "S0204": "'{0}' is no operator",
    "S0207": "it ends too early",
    "S0208": "a function's parameters begin with $",
    "S0211": "'{0}' is not expected here",
    "S0212": "only a variable can be assigned to",
    "S0213": "a step of a path can't be '{0}'",
    "S0214": "a variable is expected after '{0}'",
    "S0217": "% has no parent here",
    "S0301": "an empty regular expression, or an unknown escape in a string",
    "S0302": "a regular expression is not closed",
}
_NAMED_GROUP = re.compile(r"\(\?<(?![=!])")


class SyntaxFault(Exception):
    """The source is no expression that Step Functions takes; `offset` is where, if known."""

    def __init__(self, message: str, offset: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


def parse(source: str) -> Any:
    """The tree of an expression, as the library makes it (its `Symbol`); raises `SyntaxFault`."""
    if not source.strip():
        raise SyntaxFault("it is empty")
    if len(source) > MAX_LENGTH:
        raise SyntaxFault(f"it is longer than {MAX_LENGTH} characters")
    try:
        with _LOCK:
            return _parser().parse_anew(source)
    except SyntaxFault:
        raise
    except JException as error:
        raise SyntaxFault(_message(error), error.location) from error
    except RecursionError as error:
        raise SyntaxFault("it is nested too deeply") from error
    except Exception as error:  # the library fails in many ways on what it can't read
        raise SyntaxFault("it can't be read as JSONata") from error


class _Parser(Parser):  # type: ignore[misc]  # the library has no types
    """The library's parser, refusing what is too new or too much at the token."""

    _tokens = 0

    def parse_anew(self, source: str) -> Any:
        """Parse with nothing left of what was parsed before."""
        self._tokens = 0
        self.errors: list[Exception] = []
        self.ancestry: list[Any] = []
        self.ancestor_label = self.ancestor_index = 0
        return self.parse(source, _compile_regex)

    def advance(self, id: str | None = None, infix: bool = False) -> Any:  # noqa: A002, FBT001, FBT002 - the library's signature
        node = super().advance(id, infix)
        self._tokens += 1
        if self._tokens > MAX_TOKENS:
            raise SyntaxFault(f"it has more than {MAX_TOKENS} tokens")
        if node.type == "operator" and node.value in _TOO_NEW:
            raise SyntaxFault(
                f"'{node.value}' is newer than the JSONata of Step Functions",
                node.position,
                f"write {_TOO_NEW[node.value]}",
            )
        return node


@cache
def _parser() -> _Parser:
    """One parser for all: making its tables takes forty times as long as a short parse."""
    return _Parser()


_LOCK = Lock()
"""The one parser does one thing at a time."""


def _compile_regex(pattern: str, flags: RegexFlags) -> re.Pattern[str]:
    try:
        return re.compile(
            _NAMED_GROUP.sub("(?P<", pattern), re.IGNORECASE if flags.case_insensitive else 0
        )
    except (re.error, OverflowError) as error:
        raise SyntaxFault(f"a regular expression can't be read: {error}") from error


def _message(error: JException) -> str:
    template = _MESSAGES.get(error.error, "it can't be read as JSONata")
    found, wanted = (short(str(part or "the end")) for part in (error.current, error.expected))
    return template.format(found, wanted)

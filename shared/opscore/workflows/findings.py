"""What can be wrong with a template, and how it is said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

MAX_FINDINGS = 200
"""Enough to mend a template by; a hostile one should not cost more than a bad one."""

MAX_COMPARISONS = 20_000
"""Names compared for suggestions in one check; each costs some microseconds."""


MAX_EXPRESSIONS = 128 * 1024
"""Characters of all expressions of a template together; parsing takes some microseconds each."""


class Code(StrEnum):
    """Stable codes; a number is never given to something else (OC019 was one)."""

    NOT_UTF8 = "OC001"
    TOO_LARGE = "OC002"
    SYNTAX = "OC003"
    TOO_DEEP = "OC004"
    YAML_FEATURE = "OC005"
    DUPLICATE_KEY = "OC006"
    MISSING_FIELD = "OC010"
    UNKNOWN_FIELD = "OC011"
    UNKNOWN_TASK = "OC012"
    WRONG_TYPE = "OC013"
    BAD_VALUE = "OC014"
    BAD_DURATION = "OC015"
    BAD_ID = "OC016"
    DUPLICATE_ID = "OC017"
    EXCLUSIVE_FIELDS = "OC018"
    EXPRESSION_SYNTAX = "OC020"
    UNKNOWN_NAME = "OC021"
    TASKS_WITHOUT_NAME = "OC022"
    UNKNOWN_RESULT = "OC023"
    RESULT_NOT_MADE = "OC024"
    NO_ERROR_HERE = "OC025"
    NO_CONTEXT = "OC026"
    RESERVED_NAME = "OC027"
    NO_EXPRESSION_HERE = "OC028"
    BAD_DELIMITERS = "OC029"
    UNREACHABLE = "OC030"
    ENDLESS_LOOP = "OC031"
    RULE_ORDER = "OC032"
    FOREIGN_ERROR = "OC033"
    DEFINITION_TOO_LARGE = "OC034"
    TOO_MANY_EVENTS = "OC035"
    NOT_SEEN_HERE = "OC036"
    VARIABLE_NOT_SET = "OC037"
    HIDDEN_VARIABLE = "OC038"
    NO_RESULT = "OC039"
    BAD_SCHEMA = "OC040"
    MAP_TOO_LARGE = "OC041"
    NOT_TOP_LEVEL = "OC042"
    NOT_ON_RECORD = "OC043"
    INHERITED_LONG_TIMEOUT = "OC101"
    RETRY_OUTLASTS_SESSION = "OC102"
    SUSPICIOUS_ERROR_NAME = "OC103"
    RULE_NEVER_MATCHES = "OC104"
    EXPRESSION_IN_TEXT = "OC105"
    HEARTBEAT_TOO_LONG = "OC106"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a path in the template and, for text, line and column from 1."""

    path: str = ""
    line: int | None = None
    column: int | None = None

    def moved(self, columns: int) -> Place:
        """The same line, further right."""
        if self.column is None:
            return self
        return Place(self.path, self.line, self.column + columns)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong, or worth a warning; `hint` says how to mend it."""

    code: str
    message: str
    hint: str = ""
    line: int | None = None
    column: int | None = None
    path: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The finding as the API shows it."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "line": self.line,
            "column": self.column,
            "path": self.path,
        }


@dataclass(slots=True)
class Report:
    """Collects findings, so that everything wrong is said together."""

    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    _comparisons: int = MAX_COMPARISONS
    _expressions: int = MAX_EXPRESSIONS

    def error(self, code: Code, message: str, place: Place, hint: str = "") -> None:
        """Refuse the template."""
        _add(self.errors, Finding(code, message, hint, place.line, place.column, place.path))

    def warn(self, code: Code, message: str, place: Place, hint: str = "") -> None:
        """Say something without refusing the template."""
        _add(self.warnings, Finding(code, message, hint, place.line, place.column, place.path))

    def may_parse(self, source: str, place: Place) -> bool:
        """Whether one more expression may be parsed; too many refuse the template."""
        self._expressions -= len(source)
        if self._expressions < 0:
            limit = MAX_EXPRESSIONS // 1024
            self.error(Code.TOO_LARGE, f"more than {limit} KiB of expressions, here", place)
        return self._expressions >= 0

    def suggest(self, name: str, known: Iterable[str]) -> str:
        """A hint with the known name nearest to this one, or nothing."""
        names = list(known)
        self._comparisons -= len(names)
        if self._comparisons < 0:
            return ""
        near = get_close_matches(name, names, n=1)
        return f"did you mean '{near[0]}'?" if near else ""


def _add(findings: list[Finding], finding: Finding) -> None:
    if len(findings) < MAX_FINDINGS and finding not in findings:
        findings.append(finding)

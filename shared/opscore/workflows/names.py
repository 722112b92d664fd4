"""Names in compiled definitions: variables, states, message groups."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from itertools import count

MAX_NAME = 80
"""Step Functions' limit on state and variable names, in characters."""

RESERVED_PREFIXES = ("t_", "e_", "v_", "n_", "f_", "c_")
"""Variables that only compiled definitions may make: results, errors, variables that `set` sets,
rounds of loops, failures of maps, compensations.
"""

_GROUP = re.compile(r"[^A-Za-z0-9_.:-]")
_MAX_GROUP = 128
_LOOKS_ESCAPED = re.compile(r"[0-9a-f]{2,6}_")


def compensation_id(step_id: str) -> str:
    """The id of the task that undoes a step."""
    return state_name(step_id, "compensate", ())


def error_variable(scope: int) -> str:
    """The variable that holds what the last Catch of a scope caught. An inner scope can't assign
    an outer one's, so each has its own; 0 is the execution's.
    """
    return f"e_{scope}"


def set_variable(name: str) -> str:
    """The variable that a `set` step sets."""
    return f"v_{name}"


def rounds_variable(step_id: str) -> str:
    """The variable that counts the rounds of a loop, from 1."""
    return _variable("n_", step_id)


def failures_variable(step_id: str) -> str:
    """The variable that holds the failed items of a map."""
    return _variable("f_", step_id)


def result_variable(task_id: str) -> str:
    """The variable that holds a step's result, without the dollar."""
    return _variable("t_", task_id)


def _variable(prefix: str, task_id: str) -> str:
    """A variable of a step's own.

    Other characters than ASCII letters, digits and underscores become `_<hex>_`, and so does an
    underscore that would read as the start of one: two ids never share a variable.
    """
    escaped = ""
    for char in reversed(task_id):
        plain = char.isascii() and char.isalnum()
        if plain or (char == "_" and not _LOOKS_ESCAPED.match(escaped)):
            escaped = char + escaped
        else:
            escaped = f"_{ord(char):02x}_{escaped}"
    name = f"{prefix}{escaped}"
    return name if len(name) <= MAX_NAME else _hashed(name, task_id, MAX_NAME, "__h")


def state_name(task_id: str, suffix: str, taken: Container[str]) -> str:
    """The name of a task's further state: `<id> (<suffix>)`, made different where it is taken."""
    name = f"{task_id} ({suffix})"
    for salt in count():
        if len(name) <= MAX_NAME and name not in taken:
            break
        limit = MAX_NAME - len(suffix) - 3
        name = f"{_hashed(task_id, f'{task_id}/{salt}', limit, ' ')} ({suffix})"
    return name


def message_group(workflow_id: str) -> str:
    """A workflow's message group for SQS, which takes fewer characters than ids have."""
    cleaned = _GROUP.sub("_", workflow_id)
    if cleaned == workflow_id and len(cleaned) <= _MAX_GROUP:
        return cleaned
    return _hashed(cleaned, workflow_id, _MAX_GROUP, "-")


def _hashed(name: str, identity: str, limit: int, separator: str) -> str:
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return f"{name[: limit - len(separator) - len(digest)]}{separator}{digest}"

"""Names in compiled definitions: variables, states, message groups."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from itertools import count

MAX_NAME = 80
"""Step Functions' limit on state and variable names, in characters."""

ERROR_VARIABLE = "e_last"
"""Holds what the last Catch caught. No task's variable begins like it."""

RESERVED_PREFIXES = ("t_", "e_")
"""Variables that only compiled definitions may make."""

_GROUP = re.compile(r"[^A-Za-z0-9_.:-]")
_MAX_GROUP = 128
_LOOKS_ESCAPED = re.compile(r"[0-9a-f]{2,6}_")


def result_variable(task_id: str) -> str:
    """The variable that holds a task's result, without the dollar.

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
    name = f"t_{escaped}"
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

"""How case files name what is asked for: `task`, `task (fallback)`, `task@1`, `task@1.0`.

The numbers lead through maps and loops: which item, which round, the outermost first, from 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from opscore.models.messages import StepMessage

_MORE = re.compile(r"(?P<task>.+?)(?P<fallback> \(fallback\))?(@[0-9]+(\.[0-9]+)*)?", re.DOTALL)


def label(message: StepMessage) -> str:
    """The full name of what a message asks for."""
    return names(message)[0]


def names(message: StepMessage) -> tuple[str, ...]:
    """Every name that means this message, the narrowest first."""
    task = message.task_id
    route = " (fallback)" if message.route else ""
    index = f"@{'.'.join(map(str, message.index))}" if message.index else ""
    return tuple(dict.fromkeys((f"{task}{route}{index}", f"{task}{route}", f"{task}{index}", task)))


def task_of(name: str, known: Mapping[str, str]) -> str:
    """The id of the task that a name means; an id as it stands, however it looks."""
    if name in known:
        return name
    found = _MORE.fullmatch(name)
    return found["task"] if found else name

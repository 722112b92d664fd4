"""How case files name what is asked for: `task`, `task (fallback)`, `task@1`, `task@1.0`.

The numbers lead through maps and loops: which item, which round, the outermost first, from 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MORE = re.compile(r"(?P<task>.+?)(?P<fallback> \(fallback\))?(@[0-9]+(\.[0-9]+)*)?", re.DOTALL)


def label(message: Mapping[str, Any]) -> str:
    """The full name of what a message asks for."""
    return names(message)[0]


def names(message: Mapping[str, Any]) -> tuple[str, ...]:
    """Every name that means this message, the narrowest first."""
    task = message["taskId"]
    route = " (fallback)" if message.get("route") else ""
    index = "".join(
        f"{'.' if depth else '@'}{number}" for depth, number in enumerate(message.get("index", ()))
    )
    return tuple(dict.fromkeys((f"{task}{route}{index}", f"{task}{route}", f"{task}{index}", task)))


def task_of(name: str, known: Mapping[str, str]) -> str:
    """The id of the task that a name means; an id as it stands, however it looks."""
    if name in known:
        return name
    found = _MORE.fullmatch(name)
    return found["task"] if found else name

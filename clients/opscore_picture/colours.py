"""How a step stands in a session, and the colour of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

COLOURS: Mapping[str, tuple[str, str]] = {
    "completed": ("#d8f0dc", "#2e7d43"),
    "running": ("#fff3cd", "#b58105"),
    "waiting": ("#e8e8ee", "#6b6b7b"),
    "failed": ("#f8d7da", "#b3261e"),
}
"""Fill and line of each state; steps that were not come to keep theirs."""

_STATES = {
    "completed": "completed",
    "failed": "failed",
    "superseded": "failed",
    "waiting": "waiting",
    "dispatching": "running",
    "running": "running",
    "completing": "running",
}
_ORDER = ("completed", "failed", "waiting", "running")


def states_of(tasks: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Each step's state by its id. Of several items or rounds the liveliest counts: one that runs
    before one that waits, before one that failed, before those that are done.
    """
    found: dict[str, str] = {}
    for task in tasks:
        state = _STATES.get(str(task["status"]), "waiting")
        step_id = str(task["taskDefinitionId"])
        before = found.get(step_id, state)
        found[step_id] = max(before, state, key=_ORDER.index)
    return found

"""Whose turn it is among those that wait: priority, fair between workflows, then age.

What waits has a time at which its turn counts from, and priority lifts it by a minute a step. Where
several of one workflow and priority wait in a list, each counts from a minute after the one before;
and who comes to a list in which others of its priority wait counts from where the first of those
does. So workflows take turns, however many of one wait, and a list is read from its start only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STEP_MS = 60_000
"""A step of priority is worth this much waiting; so is a place behind another of one's workflow."""


@dataclass(frozen=True)
class Place:
    """A priority, and the time (ms) from which a turn counts."""

    priority: int
    turn: int


def turn(asked_at: int, priority: int, first: Sequence[Place], before: int | None) -> int:
    """The time from which a task's turn counts that comes to a list. `first`: those that stand at
    the list's start, in order; `before`: the turn of the last there of its own workflow.
    """
    alike = next((place.turn for place in first if place.priority == priority), None)
    if alike is None:
        # Age makes up for priority: by the clock, where the list is not ahead of it.
        alike = max([asked_at, *(place.turn for place in first[:1])])
    return alike if before is None else max(alike, before + STEP_MS)


def lifted(place: Place) -> int:
    """What lists are sorted by (ms)."""
    return max(place.turn - place.priority * STEP_MS, 0)

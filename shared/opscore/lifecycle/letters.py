"""Dead letters that are alike, and how two messages differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from opscore.models.dead_letter import DeadLetter

MAX_DIFFERENCES = 500


@dataclass(frozen=True)
class LetterGroup:
    """Letters with the same fingerprint: how many, from when to when (ms), and the newest."""

    fingerprint: str
    count: int
    first_at: int
    last_at: int
    example: DeadLetter


def fingerprint(letter: DeadLetter) -> str:
    """The same for letters of the same workflow, step, addressee and error."""
    parts = [
        letter.workflow_id,
        letter.task_id,
        letter.agent_capability,
        letter.agent_id,
        letter.error,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def grouped(letters: Iterable[DeadLetter]) -> list[LetterGroup]:
    """The groups, the largest first."""
    members: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        members.setdefault(fingerprint(letter), []).append(letter)
    groups = [
        LetterGroup(
            fingerprint=mark,
            count=len(alike),
            first_at=min(letter.recorded_at for letter in alike),
            last_at=max(letter.recorded_at for letter in alike),
            example=max(alike, key=lambda letter: (letter.recorded_at, letter.dead_letter_id)),
        )
        for mark, alike in members.items()
    ]
    return sorted(groups, key=lambda group: (-group.count, -group.last_at, group.fingerprint))


@dataclass(frozen=True)
class Difference:
    """Where two JSON values differ: the path, and each side's value in a list; empty where the path
    is not there.
    """

    path: str
    left: tuple[Any, ...]
    right: tuple[Any, ...]


def differences(left: Any, right: Any) -> Iterator[Difference]:
    """Where two JSON values differ, by paths such as `$.alerts[0].text`."""
    open_pairs: list[tuple[str, Any, Any]] = [("$", left, right)]
    while open_pairs:
        path, one, other = open_pairs.pop()
        parts = _parts(path, one, other)
        if parts is None:
            if not _same(one, other):
                yield Difference(path, _side(one), _side(other))
        else:
            open_pairs += reversed(parts)


_ABSENT = object()


def _side(value: Any) -> tuple[Any, ...]:
    return () if value is _ABSENT else (value,)


def _parts(path: str, one: Any, other: Any) -> list[tuple[str, Any, Any]] | None:
    """What two objects or two lists consist of, side by side; None for anything else."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [*one, *(name for name in other if name not in one)]
        return [
            (path + _step(name), one.get(name, _ABSENT), other.get(name, _ABSENT)) for name in names
        ]
    if isinstance(one, list) and isinstance(other, list):
        return [
            (
                f"{path}[{place}]",
                one[place] if place < len(one) else _ABSENT,
                other[place] if place < len(other) else _ABSENT,
            )
            for place in range(max(len(one), len(other)))
        ]
    return None


def _step(name: str) -> str:
    return f".{name}" if name.isidentifier() else f"[{json.dumps(name, ensure_ascii=False)}]"


def _same(one: Any, other: Any) -> bool:
    """As JSON has it: true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)

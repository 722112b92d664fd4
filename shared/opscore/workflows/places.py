"""Where a compiled step stands: what lies around it, where it goes on, where its failures go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opscore.workflows.sources import Error

INPUT_KEPT = "{% $states.input %}"
"""Inside a map every state hands on the item that it was handed."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a list of steps: of an execution, a branch or an item, or a state to go on with.

    `results`: variables that take the result of the last step, besides its own.
    """

    next_state: str | None = None
    results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Escape:
    """Where a failure goes on: a state, what is assigned on the way, and what is handed on."""

    state: str
    assign: Callable[[Error], Mapping[str, Any]] = field(default=lambda _: {})
    output: Callable[[Error], Any] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What lies around a list of steps.

    `item`: it is inside a map. `index` and `path`: JSONata of `$index`, and of the list of indexes
    that lead here. `escape`: where a failure goes that no step takes for itself.
    """

    end: End = End()
    item: bool = False
    index: str | None = None
    path: str | None = None
    escape: Escape | None = None

    @property
    def output(self) -> Any:
        """What a state hands on to the next."""
        return INPUT_KEPT if self.item else {}

    def branch(self) -> Place:
        """Inside a branch: its steps end it, and no failure leaves it but by failing it."""
        return replace(self, end=End(), escape=None)

    def items(self, *, escape: Escape | None = None) -> Place:
        """Inside a map."""
        return Place(
            item=True, index="$states.input.index", path="$states.input.path", escape=escape
        )

    def rounds(self, counter: str, end: End, escape: Escape | None) -> Place:
        """Inside a loop whose rounds are counted from 1."""
        index = f"(${counter} - 1)"
        path = f"$append({self.path}, [{index}])" if self.path else f"[{index}]"
        return replace(self, end=end, index=index, path=path, escape=escape or self.escape)


def leading_to(state: str) -> End:
    """An end that goes on with a state, whatever the last step made."""
    return End(state)

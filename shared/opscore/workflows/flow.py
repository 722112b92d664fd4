"""The ways through a list of steps: what is reached, whether it ends, what is known on arrival.

Facts are bits of an integer, so that the work for a step hardly grows with their number. Nothing
that holds ever ceases to: so each list is solved once, for what its steps add, and what was known
before is joined to that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opscore.workflows.language import (
    Block,
    Choice,
    Fail,
    FixedResult,
    Map,
    OtherTask,
    Parallel,
    Repeat,
    SetVariables,
    Step,
    Succeed,
)
from opscore.workflows.steps import all_steps, blocks, fallback_of


@dataclass(frozen=True, slots=True)
class Edge:
    """One way on from a step. `target` None is the end of its list; a failure leaves no result."""

    target: str | None
    failed: bool


def edges(step: Step) -> Iterator[Edge]:
    """Every way on from a step, within its list."""
    match step:
        case Fail() | Succeed():
            return
        case Choice(rules=rules):
            yield from (Edge(rule.next_task, failed=False) for rule in rules)
            yield Edge(step.next_task, failed=False)
        case _:
            yield Edge(step.next_task, failed=False)
            match fallback_of(step):
                case OtherTask(task_id):
                    yield Edge(task_id, failed=True)
                case _:
                    pass


@dataclass(frozen=True, slots=True)
class Scope:
    """What shares variables: the execution (number 0), a branch, the body of a map."""

    number: int
    parent: Scope | None

    def sees(self, other: Scope) -> bool:
        """Whether variables of the other scope can be read here."""
        return self == other or (self.parent is not None and self.parent.sees(other))


@dataclass(frozen=True, slots=True)
class Around:
    """What a step stands in: its scope, and whether there are an item and an index."""

    scope: Scope
    item: bool = False
    index: bool = False


class Flow:
    """What holds at each step of a list and inside it, on every way that leads there."""

    def __init__(self, block: Block) -> None:
        self._steps = {step.id: step for step in all_steps(block)}
        self._setters = _setters(self._steps.values())
        self._bits: dict[object, int] = {}
        self._around: dict[str, Around] = {}
        self._scopes = 1
        self._place(block, Around(Scope(0, None)))
        self._set_in = {
            name: {self._around[setter].scope for setter in setters}
            for name, setters in self._setters.items()
        }
        self._known: dict[str, int] = {}
        self._at_until: dict[str, int] = {}
        self._trapped: list[str] = []
        self._solve(block)
        self._join(block, 0)

    def around(self, step_id: str) -> Around:
        """What the step stands in."""
        return self._around[step_id]

    def step(self, step_id: str) -> Step | None:
        """The step of that id."""
        return self._steps.get(step_id)

    def reached(self, step_id: str) -> bool:
        """Whether any way leads to the step."""
        return step_id in self._known

    def has_result(self, at: str, of: str, *, until: bool = False) -> bool:
        """Whether the result of one step has been made whenever another one starts; `until`:
        whenever the condition of a loop is looked at.
        """
        return bool(self._facts(at, until=until) & self._bit(("result", of)))

    def has_variable(self, at: str, name: str, *, until: bool = False) -> bool:
        """Whether the variable has been set whenever the step starts."""
        return bool(self._facts(at, until=until) & self._bit(("variable", name)))

    def error_scope(self, at: str, *, until: bool = False) -> int | None:
        """The innermost scope in which a failure has been caught whenever the step starts."""
        facts = self._facts(at, until=until)
        scope: Scope | None = self._around[at].scope
        while scope is not None:
            if facts & self._bit(("error", scope.number)):
                return scope.number
            scope = scope.parent
        return None

    def variables(self) -> set[str]:
        """Every name that some step sets."""
        return set(self._setters)

    def setters(self, name: str) -> list[str]:
        """The steps that set the variable."""
        return self._setters.get(name, [])

    def set_in(self, name: str) -> set[Scope]:
        """The scopes that the variable is set in."""
        return self._set_in.get(name, set())

    def trapped(self) -> list[str]:
        """The steps that are reached and from which no way leads to the end of their list."""
        return self._trapped

    def _facts(self, at: str, *, until: bool) -> int:
        return self._at_until.get(at, 0) if until else self._known[at]

    def _bit(self, fact: object) -> int:
        return self._bits.setdefault(fact, 1 << len(self._bits))

    def _place(self, block: Block, around: Around) -> None:
        for step in block:
            self._around[step.id] = around
            match step:
                case Parallel():
                    for branch in step.branches:
                        inside = Around(self._inner(around.scope), around.item, around.index)
                        self._place(branch, inside)
                case Map():
                    inside = Around(self._inner(around.scope), item=True, index=True)
                    self._place(step.body, inside)
                case Repeat():
                    self._place(step.body, Around(around.scope, around.item, index=True))
                case _:
                    pass

    def _inner(self, scope: Scope) -> Scope:
        self._scopes += 1
        return Scope(self._scopes - 1, scope)

    def _solve(self, block: Block) -> int | None:
        """What is known at the end of a list beyond what was at its beginning; None if no way
        leads there. Leaves in `_known` what is known at each step beyond that.
        """
        if not block:
            return 0
        inner = {step.id: [self._solve(found) for found in blocks(step)] for step in block}
        here = {step.id: step for step in block}
        known = {block[0].id: 0}
        waiting = deque([block[0].id])
        end: int | None = None
        while waiting:
            step = here[waiting.popleft()]
            for edge in edges(step):
                gained = self._gained(step, edge, inner[step.id])
                if gained is None:
                    continue
                arriving = known[step.id] | gained
                if edge.target is None:
                    end = arriving if end is None else end & arriving
                elif edge.target in here:
                    before = known.get(edge.target)
                    after = arriving if before is None else before & arriving
                    if after != before:
                        known[edge.target] = after
                        waiting.append(edge.target)
        self._known |= known
        self._trapped += _trapped(block, known)
        return end

    def _gained(self, step: Step, edge: Edge, inner: list[int | None]) -> int | None:
        """What a way on adds; None if it is never taken."""
        if edge.failed:
            return self._bit(("error", self._around[step.id].scope.number))
        result = self._bit(("result", step.id))
        match step:
            case SetVariables():
                bits = [self._bit(("variable", name)) for name in step.variables]
                return sum(bits)
            case Repeat():
                [body] = inner
                if body is not None:
                    self._at_until[step.id] = body
                if isinstance(step.fallback, FixedResult):
                    return result  # whatever of the body was not made when it failed
                return None if body is None else body | result
            case _:
                return result

    def _join(self, block: Block, before: int) -> None:
        """Add to what is known in a list what was known before it."""
        for step in block:
            if step.id not in self._known:
                for inner in all_steps((step,)):
                    self._known.pop(inner.id, None)
                continue
            self._known[step.id] |= before
            known = self._known[step.id]
            if step.id in self._at_until:
                self._at_until[step.id] |= known
            for inner_block in blocks(step):
                self._join(inner_block, known)


def _setters(steps: Iterable[Step]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for step in steps:
        for name in step.variables if isinstance(step, SetVariables) else ():
            found.setdefault(name, []).append(step.id)
    return found


def _trapped(block: Block, known: dict[str, int]) -> list[str]:
    here = {step.id for step in block}
    before: dict[str | None, list[str]] = {}
    free: set[str | None] = {None}
    for step in block:
        if step.id not in known:
            continue
        if isinstance(step, Fail | Succeed):
            free.add(step.id)
        for edge in edges(step):
            before.setdefault(edge.target, []).append(step.id)
            if edge.target not in here:
                free.add(edge.target)
    waiting = deque(free)
    while waiting:
        for step_id in before.get(waiting.popleft(), ()):
            if step_id not in free:
                free.add(step_id)
                waiting.append(step_id)
    return [step.id for step in block if step.id in known and step.id not in free]

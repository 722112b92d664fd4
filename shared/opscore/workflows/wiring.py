"""How the states of one definition hang together: names, variables, ways on and out of failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opscore.workflows.definition import (
    Catcher,
    ChoiceRule,
    FailState,
    State,
    SucceedState,
    Way,
)
from opscore.workflows.flow import Flow
from opscore.workflows.language import (
    Block,
    Expression,
    Name,
    OtherRoute,
    Payload,
    Reference,
    Repeat,
    Step,
)
from opscore.workflows.names import error_variable, result_variable, set_variable, state_name
from opscore.workflows.places import Escape, Place
from opscore.workflows.sources import Error, Sources
from opscore.workflows.steps import (
    all_expressions,
    all_steps,
    fallback_of,
    own_expressions,
    route_expressions,
)

NOTHING = "{% null %}"
"""The result of a step that makes none."""

RESULT = "{% $states.result %}"


class Wiring:
    """What the steps of one definition have in common.

    `steps` are all that it will have; `on_record`: results of other steps come from the record.
    """

    def __init__(self, flow: Flow, steps: Block, *, on_record: bool) -> None:
        self._flow = flow
        self._on_record = on_record
        every = list(all_steps(steps))
        self._names = {step.id for step in every}
        self._read = {
            reference.task
            for step in every
            for expression in all_expressions(step)
            for reference in expression.references
            if reference.task is not None
        }
        self._errors_read = {scope for step in every for scope in self._scopes_read(step)}

    def name(self, step: Step, suffix: str) -> str:
        """The name of a further state of the step."""
        return state_name(step.id, suffix, self._names)

    def is_read(self, step: Step) -> bool:
        """Whether some expression refers to the step's result."""
        return step.id in self._read

    def sources(
        self, step: Step, place: Place, *, index: str | None = None, until: bool = False
    ) -> Sources:
        """What rewrites the step's expressions."""
        return Sources(self._flow, step.id, index or place.index, self._on_record, until)

    def after_failure(self, step: Step, sources: Sources) -> Sources:
        """The same for a fallback's route: its own scope's error variable has just been set."""
        return sources.in_error_scope(self._scope(step))

    # ---- ways on

    def on(self, step: Step, place: Place) -> tuple[Way, dict[str, Any]]:
        """Where a step with a result goes on, and the variables that take the result."""
        taking = {result_variable(step.id)} if self.is_read(step) else set()
        if step.next_task is not None:
            way = Way(step.next_task, place.output)
        else:
            way = Way(place.end.next_state, place.output)
            taking |= set(place.end.results)
        return way, dict.fromkeys(sorted(taking), RESULT)

    def without_result(self, step: Step, place: Place) -> tuple[Way, dict[str, Any]]:
        """Where a step that makes nothing goes on, and the variables that take this nothing."""
        if step.next_task is not None:
            return Way(step.next_task, place.output), {}
        taking: dict[str, Any] = dict.fromkeys(place.end.results, NOTHING)
        if place.end.next_state is None:
            return Way(None, NOTHING), taking
        return Way(place.end.next_state, place.output), taking

    def then(self, step: Step, place: Place, result: Any) -> tuple[str, dict[str, State]]:
        """The state after a step that ends in a choice, which can't be last itself."""
        return self._or_end(step, step.next_task or place.end.next_state, result)

    def end(self, step: Step, place: Place) -> tuple[str, dict[str, State]]:
        """The state at the end of the step's list, for a choice that leads there."""
        return self._or_end(step, place.end.next_state, NOTHING)

    def _or_end(self, step: Step, target: str | None, result: Any) -> tuple[str, dict[str, State]]:
        if target is not None:
            return target, {}
        name = self.name(step, "end")
        return name, {name: SucceedState(result)}

    # ---- ways out of failures

    def passing_over(self, step: Step, state: str) -> Escape:
        """Go on with a state as if the step had not failed; its result is null."""
        taking = {result_variable(step.id): NOTHING} if self.is_read(step) else {}
        return Escape(state, lambda _: taking)

    def not_yet_made(self, step: Repeat) -> dict[str, Any]:
        """What a loop begins with where it may be passed over: nulls for the results inside it that
        are read after it.
        """
        if not self._on_record:
            return {}
        scope = self._flow.around(step.id).scope
        return {
            result_variable(inner.id): NOTHING
            for inner in all_steps(step.body)
            if self.is_read(inner) and self._flow.around(inner.id).scope == scope
        }

    def to(self, step: Step, state: str) -> Escape:
        """Go on with a state that may ask what went wrong."""
        return Escape(state, self._remembering(step))

    def fixed(self, step: Step, result: Payload, place: Place) -> tuple[Escape, dict[str, State]]:
        """Go on as if the step had made that result; the state that takes, if it is the last."""
        sources = self.sources(step, place)
        variables = {result_variable(step.id)} if self.is_read(step) else set()
        target = step.next_task
        if target is None:
            target = place.end.next_state
            variables |= set(place.end.results)

        def value(error: Error) -> Any:
            return sources.failing(error).whole(result)

        if target is not None:
            taking = sorted(variables)
            return Escape(target, lambda error: dict.fromkeys(taking, value(error))), {}
        name = self.name(step, "result")
        return Escape(name, output=value), {name: SucceedState()}

    def catcher(self, step: Step, escape: Escape | None, place: Place) -> Catcher | None:
        """The step's Catch, if anything takes its failure."""
        if escape is None:
            return None
        error = Error.caught(step)
        output = place.output if escape.output is None else escape.output(error)
        return Catcher(escape.state, escape.assign(error), output)

    def failing(
        self, step: Step, condition: str, error: Error, escape: Escape | None, place: Place
    ) -> tuple[ChoiceRule, dict[str, State]]:
        """A rule by which a step fails, and the state it goes to if nothing takes the failure."""
        if escape is None:
            name = self.name(step, "failed")
            code = f"{{% {error.code} %}}"
            return ChoiceRule(condition, name), {name: FailState(code, f"{{% {error.message} %}}")}
        output = place.output if escape.output is None else escape.output(error)
        return ChoiceRule(condition, escape.state, escape.assign(error), output), {}

    def _remembering(self, step: Step) -> Callable[[Error], Mapping[str, Any]]:
        scope = self._scope(step)
        if scope not in self._errors_read:
            return lambda _: {}
        return lambda error: {error_variable(scope): error.fields()}

    # ---- what is read

    def outer_variables(self, block: Block) -> list[str]:
        """The variables from outside that steps read, and all inside them."""
        inner = {found.id for found in all_steps(block)}
        return sorted(
            {
                name
                for found in all_steps(block)
                for expression in all_expressions(found)
                for reference in expression.references
                if (name := self._outer_variable(reference, found, inner))
            }
        )

    def _outer_variable(self, reference: Reference, step: Step, inner: set[str]) -> str | None:
        match reference.name:
            case Name.TASKS if reference.task not in inner:
                return result_variable(reference.task or "")
            case Name.VARIABLE if not inner & set(self._flow.setters(reference.variable or "")):
                return set_variable(reference.variable or "")
            case Name.ERROR:
                scope = self._flow.error_scope(step.id)
                own = {self._flow.around(found).scope.number for found in inner}
                return None if scope is None or scope in own else error_variable(scope)
            case _:
                return None

    def _scope(self, step: Step) -> int:
        """A compensation stands in no list, and so in the outermost scope."""
        known = self._flow.step(step.id) is not None
        return self._flow.around(step.id).scope.number if known else 0

    def _scopes_read(self, step: Step) -> Iterator[int]:
        """The scopes whose error variables the step's expressions read. What a fixed result reads
        is at hand where it is made.
        """
        fallback = fallback_of(step)
        if isinstance(fallback, OtherRoute) and any(
            map(_reads_error, route_expressions(fallback.route))
        ):
            yield self._scope(step)
        until = (step.until,) if isinstance(step, Repeat) else ()
        for expressions, at_until in ((own_expressions(step), False), (until, True)):
            scope = Sources(self._flow, step.id, until=at_until).error_scope()
            if scope is not None and any(map(_reads_error, expressions)):
                yield scope


def _reads_error(expression: Expression) -> bool:
    return any(reference.name is Name.ERROR for reference in expression.references)

"""Compiles lists of steps into states."""

from __future__ import annotations

from typing import Any

from opscore.workflows.callbacks import Sender, backstop, overlaid, retriers
from opscore.workflows.definition import (
    SEND_AND_WAIT,
    Catcher,
    ChoiceRule,
    ChoiceState,
    FailState,
    MapState,
    ParallelState,
    Part,
    PassState,
    State,
    SucceedState,
    TaskState,
    WaitState,
    Way,
)
from opscore.workflows.effort import has_executions_of_its_own
from opscore.workflows.flow import Flow
from opscore.workflows.language import (
    LOOP_LIMIT,
    TOO_MANY_FAILURES,
    Approval,
    Block,
    Child,
    Choice,
    Expression,
    Fail,
    FixedResult,
    Map,
    Name,
    OtherRoute,
    OtherTask,
    Parallel,
    Payload,
    Reference,
    Repeat,
    Route,
    SetVariables,
    Signal,
    Step,
    Succeed,
    Task,
    Wait,
)
from opscore.workflows.names import (
    error_variable,
    failures_variable,
    result_variable,
    rounds_variable,
    set_variable,
    state_name,
)
from opscore.workflows.places import INPUT_KEPT, End, Escape, Place
from opscore.workflows.sources import INPUT, SESSION, Error, Sources, literal
from opscore.workflows.steps import (
    all_expressions,
    all_steps,
    fallback_of,
    own_expressions,
    retry_of,
    route_expressions,
)

NOTHING = "{% null %}"
"""The result of a step that makes none."""


class BlockCompiler:
    """Compiles the steps of one definition.

    `steps` are all that it will have; `on_record`: results of other steps come from the record.
    """

    def __init__(
        self, flow: Flow, steps: Block, sender: Sender, queue_url: str, *, on_record: bool = False
    ) -> None:
        self._flow = flow
        self._first = None if on_record else steps[0]
        self._sender = sender
        self._queue_url = queue_url
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
        self._errors_read = {scope for step in every for scope in self._error_scopes_read(step)}

    def part(self, block: Block, place: Place) -> Part:
        """The states of a list, from its first step."""
        return Part(block[0].id, self.states(block, place))

    def states(self, block: Block, place: Place) -> dict[str, State]:
        """The states of some steps that stand in one place."""
        found: dict[str, State] = {}
        for step in block:
            found |= self._step(step, place)
        return found

    def passing_over(self, step: Step, state: str) -> Escape:
        """Go on with a state as if the step had not failed; its result is null."""
        taking = {result_variable(step.id): NOTHING} if step.id in self._read else {}
        return Escape(state, lambda _: taking)

    def _step(self, step: Step, place: Place) -> dict[str, State]:
        match step:
            case Task() | Approval() | Signal() | Child():
                return self._callback(step, place)
            case Parallel():
                return self._parallel(step, place)
            case Map():
                return self._map(step, place)
            case Repeat():
                return self._repeat(step, place)
            case Choice():
                return self._choice(step, place)
            case Wait():
                return {step.id: self._wait(step, place)}
            case SetVariables():
                return {step.id: self._set(step, place)}
            case Fail():
                return {step.id: self._fail(step, place)}
            case Succeed():
                return {step.id: SucceedState(self._sources(step, place).whole(step.result))}

    # ---- steps that are one state, and their fallbacks

    def _callback(self, step: Task | Approval | Signal | Child, place: Place) -> dict[str, State]:
        escape, more = self._escape(step, place)
        route = step.route if isinstance(step, Task) else None
        return {step.id: self._asking(step, 0, route, place, escape)} | more

    def _asking(
        self,
        step: Task | Approval | Signal | Child,
        number: int,
        route: Route | None,
        place: Place,
        escape: Escape | None,
    ) -> TaskState:
        sources = self._sources(step, place)
        if number:
            sources = self._after_failure(step, sources)
        message = self._sender.message(step, number, route, place.path, sources)
        if route is not None and step is self._first and not _has_expressions(step, route):
            message["parameters"] = overlaid(message["parameters"])
        way, assign = self._on(step, place)
        return TaskState(
            resource=SEND_AND_WAIT,
            arguments={
                "QueueUrl": self._queue_url,
                "MessageGroupId": self._sender.group,
                "MessageBody": message,
            },
            timeout_seconds=backstop(step, sources),
            way=way,
            retry=retriers(route.retry if route else retry_of(step)),
            catch=self._catcher(step, escape, place),
            assign=assign,
        )

    def _on(self, step: Step, place: Place) -> tuple[Way, dict[str, Any]]:
        """Where a step with a result goes on, and the variables that take the result."""
        taking = {result_variable(step.id)} if step.id in self._read else set()
        if step.next_task is not None:
            way = Way(step.next_task, place.output)
        else:
            way = Way(place.end.next_state, place.output)
            taking |= set(place.end.results)
        return way, dict.fromkeys(sorted(taking), "{% $states.result %}")

    def _escape(self, step: Step, place: Place) -> tuple[Escape | None, dict[str, State]]:
        """Where the step's failure goes, and the states that takes."""
        match fallback_of(step):
            case None:
                return place.escape, {}
            case OtherTask(task_id):
                return Escape(task_id, self._remembering(step)), {}
            case OtherRoute(route):
                assert isinstance(step, Task)
                name = self._name(step, "fallback")
                state = self._asking(step, 1, route, place, place.escape)
                return Escape(name, self._remembering(step)), {name: state}
            case FixedResult(result):
                return self._fixed(step, result, place)

    def _fixed(self, step: Step, result: Payload, place: Place) -> tuple[Escape, dict[str, State]]:
        sources = self._sources(step, place)
        variables = {result_variable(step.id)} if step.id in self._read else set()
        target = step.next_task
        if target is None:
            target = place.end.next_state
            variables |= set(place.end.results)

        def value(error: Error) -> Any:
            return sources.failing(error).whole(result)

        if target is not None:
            taking = sorted(variables)
            return Escape(target, lambda error: dict.fromkeys(taking, value(error))), {}
        name = self._name(step, "result")
        return Escape(name, output=value), {name: SucceedState()}

    def _remembering(self, step: Step) -> Any:
        scope = self._flow.around(step.id).scope.number if self._in_flow(step) else 0
        if scope not in self._errors_read:
            return lambda _: {}
        return lambda error: {error_variable(scope): error.fields()}

    def _catcher(self, step: Step, escape: Escape | None, place: Place) -> Catcher | None:
        if escape is None:
            return None
        error = Error.caught(step)
        output = place.output if escape.output is None else escape.output(error)
        return Catcher(escape.state, escape.assign(error), output)

    # ---- steps that hold others

    def _parallel(self, step: Parallel, place: Place) -> dict[str, State]:
        escape, more = self._escape(step, place)
        way, assign = self._on(step, place)
        branches = tuple(self.part(branch, place.branch()) for branch in step.branches)
        state = ParallelState(
            branches, way, retriers(step.retry), self._catcher(step, escape, place), assign
        )
        return {step.id: state} | more

    def _map(self, step: Map, place: Place) -> dict[str, State]:
        escape, more = self._escape(step, place)
        way, assign = self._on(step, place)
        own = has_executions_of_its_own(step)
        failed = self._name(step, "failed item")
        inside = place.items(escape=Escape(failed, output=_failed_item) if step.tolerated else None)
        part = self.part(step.body, inside)
        if step.tolerated:
            part = Part(part.start_at, {**part.states, failed: SucceedState()})
        selector = _selector(place)
        if own:
            part, known = self._with_known(step, part)
            selector |= {"input": f"{{% {INPUT} %}}", "session": f"{{% {SESSION} %}}"} | known
        counting = 0 < step.tolerated < 100
        if counting:
            more |= self._tolerance(step, place, escape)
            assign[failures_variable(step.id)] = _failures(step)
            way = Way(self._name(step, "tolerated"), place.output)
            if step.next_task is None and place.end.next_state is None:
                assign[result_variable(step.id)] = "{% $states.result %}"
        state = MapState(
            items=self._items(step, place),
            selector=selector,
            max_concurrency=step.max_concurrency,
            part=part,
            way=way,
            executions=own,
            retry=retriers(step.retry),
            catch=self._catcher(step, escape, place),
            assign=dict(sorted(assign.items())),
        )
        return {step.id: state} | more

    def _items(self, step: Map, place: Place) -> Any:
        sources = self._sources(step, place)
        if not isinstance(step.items, Expression):
            return sources.value(step.items)
        message = literal(f"more than {step.max_items} items for '{step.id}'")
        return (
            f"{{% ($f_items := $append([], ({sources.source(step.items)}));"
            f" $count($f_items) <= {step.max_items} ? $f_items : $error({message})) %}}"
        )

    def _with_known(self, step: Map, part: Part) -> tuple[Part, dict[str, Any]]:
        """An item's own execution sees no variables: those it reads travel with the item, and its
        first state sets them.
        """
        inner = {found.id for found in all_steps(step.body)}
        names = sorted(
            {
                name
                for found in all_steps(step.body)
                for expression in all_expressions(found)
                for reference in expression.references
                if (name := self._outer_variable(reference, found, inner))
            }
        )
        if not names:
            return part, {}
        first = self._name(step, "item")
        assign = {name: f"{{% $states.input.known.{name} %}}" for name in names}
        states = {first: PassState(Way(part.start_at, INPUT_KEPT), assign), **part.states}
        return Part(first, states), {"known": {name: f"{{% ${name} %}}" for name in names}}

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

    def _tolerance(self, step: Map, place: Place, escape: Escape | None) -> dict[str, State]:
        failures = f"${failures_variable(step.id)}"
        error = Error.made(step, TOO_MANY_FAILURES, failures)
        then, more = self._then(step, place, f"{{% ${result_variable(step.id)} %}}")
        rule, refused = self._failing(step, f'{{% {failures} != "" %}}', error, escape, place)
        name = self._name(step, "tolerated")
        return {name: ChoiceState((rule,), then)} | refused | more

    def _failing(
        self, step: Step, condition: str, error: Error, escape: Escape | None, place: Place
    ) -> tuple[ChoiceRule, dict[str, State]]:
        """A rule by which a step fails, and the state it goes to if nothing takes the failure."""
        if escape is None:
            name = self._name(step, "failed")
            code = f"{{% {error.code} %}}"
            return ChoiceRule(condition, name), {name: FailState(code, f"{{% {error.message} %}}")}
        output = place.output if escape.output is None else escape.output(error)
        return ChoiceRule(condition, escape.state, escape.assign(error), output), {}

    def _then(self, step: Step, place: Place, result: Any) -> tuple[str, dict[str, State]]:
        """The state after a step that ends in a choice, which can't be last itself."""
        target = step.next_task or place.end.next_state
        if target is not None:
            return target, {}
        name = self._name(step, "end")
        return name, {name: SucceedState(result)}

    def _repeat(self, step: Repeat, place: Place) -> dict[str, State]:
        escape, more = self._escape(step, place)
        counter = rounds_variable(step.id)
        until = self._name(step, "until")
        last = step.next_task is None
        result = result_variable(step.id)
        wanted = step.id in self._read or (last and bool(place.end.results))
        wanted |= last and place.end.next_state is None
        end = End(until, (result,) if wanted else ())
        body = place.rounds(counter, end, escape if fallback_of(step) else None)
        then, ending = self._then(step, place, f"{{% ${result} %}}")
        sources = self._sources(step, place, index=f"(${counter} - 1)", until=True)
        done = ChoiceRule(
            f"{{% ({sources.source(step.until)}) = true %}}",
            then,
            dict.fromkeys(place.end.results, f"{{% ${result} %}}") if last else {},
        )
        rounds = literal(f"'{step.id}' was not done after {step.max_iterations} rounds")
        limit, refused = self._failing(
            step,
            f"{{% ${counter} >= {step.max_iterations} %}}",
            Error.made(step, LOOP_LIMIT, rounds),
            escape,
            place,
        )
        again = {counter: f"{{% ${counter} + 1 %}}"}
        return {
            step.id: PassState(Way(step.body[0].id, place.output), {counter: 1}),
            **self.states(step.body, body),
            until: ChoiceState((done, limit), step.body[0].id, again),
            **refused,
            **ending,
            **more,
        }

    # ---- steps that go their own way

    def _choice(self, step: Choice, place: Place) -> dict[str, State]:
        sources = self._sources(step, place)
        end, more = self._then_nothing(step, place)
        leaving = dict.fromkeys(place.end.results, NOTHING)
        rules = tuple(
            ChoiceRule(
                f"{{% ({sources.source(rule.when)}) = true %}}",
                rule.next_task or end,
                {} if rule.next_task else leaving,
            )
            for rule in step.rules
        )
        used = step.next_task is None or any(rule.next_task is None for rule in step.rules)
        state = ChoiceState(rules, step.next_task or end, {} if step.next_task else leaving)
        return {step.id: state} | (more if used else {})

    def _then_nothing(self, step: Step, place: Place) -> tuple[str, dict[str, State]]:
        if place.end.next_state is not None:
            return place.end.next_state, {}
        name = self._name(step, "end")
        return name, {name: SucceedState(NOTHING)}

    def _without_result(self, step: Step, place: Place) -> tuple[Way, dict[str, Any]]:
        if step.next_task is not None:
            return Way(step.next_task, place.output), {}
        taking: dict[str, Any] = dict.fromkeys(place.end.results, NOTHING)
        if place.end.next_state is None:
            return Way(None, NOTHING), taking
        return Way(place.end.next_state, place.output), taking

    def _wait(self, step: Wait, place: Place) -> WaitState:
        sources = self._sources(step, place)
        way, assign = self._without_result(step, place)
        until = None if step.until is None else sources.value(step.until)
        return WaitState(way, sources.value(step.seconds), until, assign)

    def _set(self, step: SetVariables, place: Place) -> PassState:
        sources = self._sources(step, place)
        way, assign = self._without_result(step, place)
        values = {set_variable(n): sources.whole(value) for n, value in step.variables.items()}
        return PassState(way, values | assign)

    def _fail(self, step: Fail, place: Place) -> State:
        sources = self._sources(step, place)
        error = Error.made(step, step.error, sources.text(step.message))
        if place.escape is None:
            cause = sources.value(step.message)
            return FailState(step.error, cause)
        escape = place.escape
        output = place.output if escape.output is None else escape.output(error)
        return PassState(Way(escape.state, output), escape.assign(error))

    # ---- names

    def _name(self, step: Step, suffix: str) -> str:
        return state_name(step.id, suffix, self._names)

    def _in_flow(self, step: Step) -> bool:
        return self._flow.step(step.id) is not None

    def _sources(
        self, step: Step, place: Place, *, index: str | None = None, until: bool = False
    ) -> Sources:
        return Sources(self._flow, step.id, index or place.index, self._on_record, until)

    def _after_failure(self, step: Step, sources: Sources) -> Sources:
        """For a fallback's route: its own scope's error variable has just been set."""
        scope = self._flow.around(step.id).scope.number if self._in_flow(step) else 0
        return sources.in_error_scope(scope)

    def _error_scopes_read(self, step: Step) -> set[int]:
        """The scopes whose error variables the step's expressions read. What a fixed result reads
        is at hand where it is made.
        """
        found = set[int]()
        if isinstance(step, Task) and isinstance(step.fallback, OtherRoute):
            read = any(
                reference.name is Name.ERROR
                for expression in route_expressions(step.fallback.route)
                for reference in expression.references
            )
            if read:
                found.add(self._flow.around(step.id).scope.number if self._in_flow(step) else 0)
        for expressions, until in (
            (own_expressions(step), False),
            ((step.until,) if isinstance(step, Repeat) else (), True),
        ):
            for expression in expressions:
                for reference in expression.references:
                    if reference.name is Name.ERROR:
                        scope = Sources(self._flow, step.id, until=until).error_scope()
                        found |= set() if scope is None else {scope}
        return found


def _has_expressions(step: Step, route: Route) -> bool:
    return bool(own_expressions(step) or route_expressions(route))


def _selector(place: Place) -> dict[str, Any]:
    index = "$states.context.Map.Item.Index"
    path = f"$append({place.path}, [{index}])" if place.path else f"[{index}]"
    return {
        "item": "{% $states.context.Map.Item.Value %}",
        "index": f"{{% {index} %}}",
        "path": f"{{% {path} %}}",
    }


def _failed_item(error: Error) -> dict[str, Any]:
    """What stands for a failed item in a map's result."""
    return {
        "failed": True,
        "index": "{% $states.input.index %}",
        "item": "{% $states.input.item %}",
        "error": error.fields(),
    }


def _failures(step: Map) -> str:
    """JSONata: why a map has failed, or nothing if no more items failed than it tolerates."""
    return (
        "{% ($f_failed := $filter($states.result, function($r)"
        " { $type($r) = 'object' and $r.failed = true and $exists($r.error.taskId) });"
        " $f_all := $count($states.result);"
        f" $count($f_failed) * 100 > {step.tolerated} * $f_all"
        " ? $string($count($f_failed)) & ' of ' & $string($f_all) & ' items failed; the first: '"
        " & $f_failed[0].error.code : '') %}"
    )

"""Compiles lists of steps into states."""

from __future__ import annotations

from typing import Any

from opscore.workflows.callbacks import Sender, backstop, overlaid, retriers
from opscore.workflows.definition import (
    SEND_AND_WAIT,
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
    OtherRoute,
    OtherTask,
    Parallel,
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
    failures_variable,
    result_variable,
    rounds_variable,
    set_variable,
)
from opscore.workflows.places import INPUT_KEPT, End, Escape, Place
from opscore.workflows.sources import INPUT, SESSION, Error, literal
from opscore.workflows.steps import (
    fallback_of,
    own_expressions,
    retry_of,
    route_expressions,
)
from opscore.workflows.wiring import NOTHING, RESULT, Wiring


class BlockCompiler:
    """Compiles the steps of one definition; `wiring` is of all of them.

    `first`: the step whose parameters the session's input may overlay.
    """

    def __init__(
        self, wiring: Wiring, sender: Sender, queue_url: str, first: Step | None = None
    ) -> None:
        self._wiring = wiring
        self._first = first
        self._sender = sender
        self._queue_url = queue_url

    def part(self, block: Block, place: Place) -> Part:
        """The states of a list, from its first step."""
        return Part(block[0].id, self.states(block, place))

    def states(self, block: Block, place: Place) -> dict[str, State]:
        """The states of some steps that stand in one place."""
        found: dict[str, State] = {}
        for step in block:
            found |= self._step(step, place)
        return found

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
                return {step.id: SucceedState(self._wiring.sources(step, place).whole(step.result))}

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
        sources = self._wiring.sources(step, place)
        if number:
            sources = self._wiring.after_failure(step, sources)
        message = self._sender.message(step, number, route, place.path, sources)
        if route is not None and step is self._first and not _has_expressions(step, route):
            message["parameters"] = overlaid(message["parameters"])
        way, assign = self._wiring.on(step, place)
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
            catch=self._wiring.catcher(step, escape, place),
            assign=assign,
        )

    def _escape(self, step: Step, place: Place) -> tuple[Escape | None, dict[str, State]]:
        """Where the step's failure goes, and the states that takes."""
        match fallback_of(step):
            case None:
                return place.escape, {}
            case OtherTask(task_id):
                return self._wiring.to(step, task_id), {}
            case OtherRoute(route):
                assert isinstance(step, Task)
                name = self._wiring.name(step, "fallback")
                state = self._asking(step, 1, route, place, place.escape)
                return self._wiring.to(step, name), {name: state}
            case FixedResult(result):
                return self._wiring.fixed(step, result, place)

    # ---- steps that hold others

    def _parallel(self, step: Parallel, place: Place) -> dict[str, State]:
        escape, more = self._escape(step, place)
        way, assign = self._wiring.on(step, place)
        branches = tuple(self.part(branch, place.branch()) for branch in step.branches)
        state = ParallelState(
            branches, way, retriers(step.retry), self._wiring.catcher(step, escape, place), assign
        )
        return {step.id: state} | more

    def _map(self, step: Map, place: Place) -> dict[str, State]:
        escape, more = self._escape(step, place)
        way, assign = self._wiring.on(step, place)
        own = has_executions_of_its_own(step)
        failed = self._wiring.name(step, "failed item")
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
            way = Way(self._wiring.name(step, "tolerated"), place.output)
            if step.next_task is None and place.end.next_state is None:
                assign[result_variable(step.id)] = RESULT
        state = MapState(
            items=self._items(step, place),
            selector=selector,
            max_concurrency=step.max_concurrency,
            part=part,
            way=way,
            executions=own,
            retry=retriers(step.retry),
            catch=self._wiring.catcher(step, escape, place),
            assign=dict(sorted(assign.items())),
        )
        return {step.id: state} | more

    def _items(self, step: Map, place: Place) -> Any:
        sources = self._wiring.sources(step, place)
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
        names = self._wiring.outer_variables(step.body)
        if not names:
            return part, {}
        first = self._wiring.name(step, "item")
        assign = {name: f"{{% $states.input.known.{name} %}}" for name in names}
        states = {first: PassState(Way(part.start_at, INPUT_KEPT), assign), **part.states}
        return Part(first, states), {"known": {name: f"{{% ${name} %}}" for name in names}}

    def _tolerance(self, step: Map, place: Place, escape: Escape | None) -> dict[str, State]:
        failures = f"${failures_variable(step.id)}"
        error = Error.made(step, TOO_MANY_FAILURES, failures)
        then, more = self._wiring.then(step, place, f"{{% ${result_variable(step.id)} %}}")
        rule, refused = self._wiring.failing(
            step, f'{{% {failures} != "" %}}', error, escape, place
        )
        name = self._wiring.name(step, "tolerated")
        return {name: ChoiceState((rule,), then)} | refused | more

    def _repeat(self, step: Repeat, place: Place) -> dict[str, State]:
        escape, more = self._escape(step, place)
        counter = rounds_variable(step.id)
        until = self._wiring.name(step, "until")
        last = step.next_task is None
        result = result_variable(step.id)
        wanted = self._wiring.is_read(step) or (last and bool(place.end.results))
        wanted |= last and place.end.next_state is None
        end = End(until, (result,) if wanted else ())
        body = place.rounds(counter, end, escape if fallback_of(step) else None)
        then, ending = self._wiring.then(step, place, f"{{% ${result} %}}")
        sources = self._wiring.sources(step, place, index=f"(${counter} - 1)", until=True)
        done = ChoiceRule(
            f"{{% ({sources.source(step.until)}) = true %}}",
            then,
            dict.fromkeys(place.end.results, f"{{% ${result} %}}") if last else {},
        )
        rounds = literal(f"'{step.id}' was not done after {step.max_iterations} rounds")
        limit, refused = self._wiring.failing(
            step,
            f"{{% ${counter} >= {step.max_iterations} %}}",
            Error.made(step, LOOP_LIMIT, rounds),
            escape,
            place,
        )
        again = {counter: f"{{% ${counter} + 1 %}}"}
        start = {counter: 1, **self._wiring.not_yet_made(step)}
        return {
            step.id: PassState(Way(step.body[0].id, place.output), start),
            **self.states(step.body, body),
            until: ChoiceState((done, limit), step.body[0].id, again),
            **refused,
            **ending,
            **more,
        }

    # ---- steps that go their own way

    def _choice(self, step: Choice, place: Place) -> dict[str, State]:
        sources = self._wiring.sources(step, place)
        end, more = self._wiring.end(step, place)
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

    def _wait(self, step: Wait, place: Place) -> WaitState:
        sources = self._wiring.sources(step, place)
        way, assign = self._wiring.without_result(step, place)
        until = None if step.until is None else sources.value(step.until)
        return WaitState(way, sources.value(step.seconds), until, assign)

    def _set(self, step: SetVariables, place: Place) -> PassState:
        sources = self._wiring.sources(step, place)
        way, assign = self._wiring.without_result(step, place)
        values = {set_variable(n): sources.whole(value) for n, value in step.variables.items()}
        return PassState(way, values | assign)

    def _fail(self, step: Fail, place: Place) -> State:
        sources = self._wiring.sources(step, place)
        error = Error.made(step, step.error, sources.text(step.message))
        if place.escape is None:
            cause = sources.value(step.message)
            return FailState(step.error, cause)
        escape = place.escape
        output = place.output if escape.output is None else escape.output(error)
        return PassState(Way(escape.state, output), escape.assign(error))


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

"""Each mend of moto's interpreter is needed, and does what it is named for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opscore_trial.mends import MENDS, expressions, failures, flow, iterations, tasks
from opscore_trial.patching import Mend
from tests.support.asl import SILENT, Fails, Played, caught, each, parallel, passing, play, task

Probe = Callable[[tuple[Mend, ...]], Any]

PROBES: dict[Mend, tuple[Probe, Any]] = {}


def shows(mend: Mend, expected: Any) -> Callable[[Probe], Probe]:
    """A run whose outcome is this with the mend, and not without it."""

    def register(probe: Probe) -> Probe:
        PROBES[mend] = (probe, expected)
        return probe

    return register


@pytest.mark.parametrize("mend", MENDS, ids=lambda mend: mend.__name__)
def test_mend_is_needed(mend: Mend) -> None:
    probe, expected = PROBES[mend]

    assert probe(MENDS) == expected
    assert _without(probe, mend) != expected


def _without(probe: Probe, mend: Mend) -> Any:
    try:
        return probe(tuple(other for other in MENDS if other is not mend))
    except Exception as error:  # noqa: BLE001  # whatever the interpreter does then, it is not right
        return error


def end(played: Played) -> Any:
    """An output, or an error's name."""
    return played.ended.error or played.ended.output


@shows(expressions.expressions_need_no_jvm, {"text": 'a "b" \\ \n', "caught": True})
def _(mends: tuple[Mend, ...]) -> Any:
    states = {
        "set": passing(Assign={"text": "{% $states.input.text %}"}, Next="ask"),
        "ask": task("ask", says="{% $nothing %}", **caught("end", "States.QueryEvaluationError")),
        "end": passing(Output={"text": "{% $text %}", "caught": "{% $length($text) = 9 %}"}),
    }
    return end(play(states, given={"text": 'a "b" \\ \n'}, mends=mends))


@shows(expressions.conditions_are_booleans, "States.QueryEvaluationError")
def _(mends: tuple[Mend, ...]) -> Any:
    choose = {"Type": "Choice", "Choices": [{"Condition": "{% 'yes' %}", "Next": "end"}]}
    return end(play({"choose": choose | {"Default": "end"}, "end": passing()}, mends=mends))


@shows(tasks.each_attempt_has_its_token, ("done", 3))
def _(mends: tuple[Mend, ...]) -> Any:
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]
    played = play(
        {"ask": task("ask", Retry=retry)},
        {"ask": [Fails("Busy"), Fails("Busy"), "done"]},
        mends=mends,
    )
    return end(played), len({message["token"] for message in played.messages})


@shows(tasks.heartbeats_run_out_by_their_name, "States.HeartbeatTimeout")
def _(mends: tuple[Mend, ...]) -> Any:
    ask = task("ask", HeartbeatSeconds=5, TimeoutSeconds=60)
    return end(play({"ask": ask}, {"ask": [SILENT]}, mends=mends))


@shows(failures.own_errors_of_states_pass_on, "States.Timeout")
def _(mends: tuple[Mend, ...]) -> Any:
    states = {"both": parallel({"ask": task("ask", TimeoutSeconds=5)})}
    return end(play(states, {"ask": [SILENT]}, mends=mends))


@shows(flow.a_rule_is_not_the_default, ("rule", "States.NoChoiceMatched"))
def _(mends: tuple[Mend, ...]) -> Any:
    rule = {"Condition": "{% $states.input = 1 %}", "Next": "end", "Output": "rule"}
    choose = {"Type": "Choice", "Choices": [rule]}
    with_default = {"choose": choose | {"Default": "end", "Output": "default"}, "end": passing()}
    without = {"choose": choose, "end": passing()}
    return (
        end(play(with_default, given=1, mends=mends)),
        end(play(without, given=2, mends=mends)),
    )


@shows(flow.assign_shows_after_the_state, {"before": 1, "after": 2})
def _(mends: tuple[Mend, ...]) -> Any:
    states = {
        "set": passing(Assign={"n": 1}, Next="grow"),
        "grow": passing(Assign={"n": "{% $n + 1 %}"}, Output={"before": "{% $n %}"}, Next="end"),
        "end": passing(Output={"before": "{% $states.input.before %}", "after": "{% $n %}"}),
    }
    return end(play(states, mends=mends))


@shows(iterations.inner_states_see_their_item, ["0a", "1b"])
def _(mends: tuple[Mend, ...]) -> Any:
    item = "$states.context.Map.Item"
    says = f"{{% $string({item}.Index) & {item}.Value %}}"
    states = {"all": each(["a", "b"], {"ask": task("ask", says=says)})}
    return [message["says"] for message in play(states, {"ask": [1]}, mends=mends).messages]


@shows(
    iterations.items_of_a_distributed_map_run_by_themselves,
    ([[1, None], [2, None]], "States.ExceedToleratedFailureThreshold"),
)
def _(mends: tuple[Mend, ...]) -> Any:
    read = "{% [$states.context.Execution.Input.n, $exists($outer) ? $outer : null] %}"
    inside = {"ask": task("ask", Next="read"), "read": passing(Output=read)}
    selector = {"n": "{% $states.context.Map.Item.Value %}"}
    states = {
        "set": passing(Assign={"outer": 7}, Next="all"),
        "all": each([1, 2], inside, ItemSelector=selector, mode="DISTRIBUTED"),
    }
    return (
        end(play(states, {"ask": [1]}, mends=mends)),
        end(play(states, {"ask": [1, Fails("Broken")]}, mends=mends)),
    )

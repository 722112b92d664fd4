"""The interpreter does as Step Functions does, as far as compiled workflows need it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opscore_trial.interpreter import Execution, TooLongError
from tests.support.asl import (
    SILENT,
    Fails,
    Played,
    caught,
    each,
    machine,
    parallel,
    passing,
    play,
    task,
)

RETRY_ALL = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "IntervalSeconds": 10}]
ERROR = {"error": "{% $states.errorOutput.Error & ': ' & $states.errorOutput.Cause %}"}


def waiting(**until: Any) -> dict[str, Any]:
    return {"Type": "Wait", "End": True} | until


def choosing(*rules: tuple[str, str], default: str) -> dict[str, Any]:
    choices = [{"Condition": f"{{% {when} %}}", "Next": target} for when, target in rules]
    return {"Type": "Choice", "Choices": choices, "Default": default}


def output(played: Played) -> Any:
    assert (played.ended.status, played.ended.error) == ("SUCCEEDED", None)
    return played.ended.output


def test_waiting_a_day_takes_a_day_on_its_own_clock() -> None:
    played = play({"wait": waiting(Seconds=86_400)})

    assert played.ended.status == "SUCCEEDED"
    assert played.ended.seconds == 86_400


def test_a_moment_to_wait_for_is_in_utc() -> None:
    until = "{% $fromMillis($millis() + 3600000) %}"

    assert play({"wait": waiting(Timestamp=until)}).ended.seconds == 3_600
    assert play({"wait": waiting(Timestamp="2020-01-01T00:00:00Z")}).ended.seconds == 0


def test_expressions_read_the_executions_own_clock() -> None:
    states = {
        "begin": passing(Assign={"began": "{% $millis() %}"}, Next="wait"),
        "wait": {"Type": "Wait", "Seconds": 60, "Next": "end"},
        "end": passing(Output="{% $millis() - $began %}"),
    }

    assert output(play(states)) == 60_000


def test_a_silent_task_runs_into_its_timeout() -> None:
    ask = task("ask", TimeoutSeconds=500, **caught("late", "States.Timeout", Output=ERROR))

    played = play({"ask": ask, "late": passing()}, {"ask": [SILENT]})

    assert output(played) == {"error": "States.Timeout: "}
    assert played.ended.seconds == 500


def test_the_first_rule_that_matches_counts_for_itself() -> None:
    retry = [
        {"ErrorEquals": ["Busy"], "MaxAttempts": 1},
        {"ErrorEquals": ["Never"], "MaxAttempts": 0},
        *RETRY_ALL,
    ]
    states = {"ask": task("ask", Retry=retry, says="{% $states.context.State.RetryCount %}")}

    def course(*errors: str) -> tuple[str | None, list[int]]:
        played = play(states, {"ask": [*map(Fails, errors), "done"]})
        return played.ended.error, [message["says"] for message in played.messages]

    assert course("Other", "Busy", "Other") == (None, [0, 1, 2, 3])
    assert course("Busy", "Busy") == ("Busy", [0, 1])
    assert course("Other", "Never") == ("Never", [0, 1])


def test_a_catch_assigns_and_makes_the_output() -> None:
    ask = task(
        "ask",
        Assign={"who": "{% $states.result %}"},
        Next="end",
        **caught("end", Assign={"who": "nobody"}, Output=ERROR),
    )
    states = {"ask": ask, "end": passing(Output={"who": "{% $who %}", "in": "{% $states.input %}"})}

    assert output(play(states, {"ask": ["ann"]})) == {"who": "ann", "in": "ann"}
    assert output(play(states, {"ask": [Fails("Busy", "very")]})) == {
        "who": "nobody",
        "in": {"error": "Busy: very"},
    }


def test_branches_retry_by_themselves_with_tokens_of_their_own() -> None:
    states = {
        "both": parallel(
            {"logs": task("logs", Retry=RETRY_ALL)},
            {"metrics": task("metrics", Retry=RETRY_ALL, Next="more"), "more": task("more")},
        )
    }

    played = play(
        states, {"logs": ["l"], "metrics": [Fails("Busy"), Fails("Busy"), "m"], "more": ["n"]}
    )

    assert output(played) == ["l", "n"]
    assert played.asked == ["logs", "metrics", "metrics", "metrics", "more"]
    assert len({message["token"] for message in played.messages}) == 5


def test_a_branch_that_fails_ends_the_others() -> None:
    states = {
        "both": parallel(
            {"quick": task("quick")},
            {"slow": task("slow", Next="later"), "later": task("later")},
            **caught("end", Output=ERROR),
        ),
        "end": {"Type": "Wait", "Seconds": 100, "End": True},
    }

    played = play(states, {"quick": [Fails("Broken", "why")], "slow": ["s"], "later": ["l"]})

    assert output(played) == {"error": "Broken: why"}
    assert played.asked == ["quick", "slow"]


def test_an_item_that_fails_ends_the_others() -> None:
    item = {"ask": task("ask", Next="more"), "more": task("more")}
    states = {
        "all": each([1, 2, 3], item, **caught("end", Output=ERROR)),
        "end": {"Type": "Wait", "Seconds": 100, "End": True},
    }

    played = play(states, {"ask": ["a", Fails("Broken", "why"), "a"], "more": ["m"]})

    assert output(played) == {"error": "Broken: why"}
    assert played.asked == ["ask", "ask", "ask", "more"]


def test_maps_nest_and_keep_the_order_of_their_items() -> None:
    leaf = {"leaf": task("leaf", says="{% $states.context.Map.Item.Value %}")}
    inner = {"inner": each("{% $states.context.Map.Item.Value %}", leaf)}

    played = play({"outer": each([[1, 2], [3]], inner)}, {"leaf": ["x", "y", "z"]})

    assert sorted(message["says"] for message in played.messages) == [1, 2, 3]
    assert [len(items) for items in output(played)] == [2, 1]


def test_no_more_items_at_once_than_the_map_allows() -> None:
    states = {"all": each([1, 2, 3, 4, 5], {"ask": task("ask")}, MaxConcurrency=2)}

    played = play(states, {"ask": [1]})

    assert output(played) == [1, 1, 1, 1, 1]
    assert played.ended.seconds == 3  # two, two and one, each a second


def test_inner_scopes_read_outer_variables_and_keep_their_own() -> None:
    inner = {
        "own": passing(Assign={"own": "{% $states.input %}"}, Next="read"),
        "read": passing(Output="{% $outer & $string($own) %}"),
    }
    states = {
        "set": passing(Assign={"outer": "o"}, Next="all"),
        "all": each([1, 2], inner, Next="end"),
        "end": passing(Output={"all": "{% $states.input %}", "leaked": "{% $exists($own) %}"}),
    }

    assert output(play(states)) == {"all": ["o1", "o2"], "leaked": False}


def test_a_loop_starts_its_retries_afresh_each_round() -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]
    states = {
        "begin": passing(Assign={"round": 0}, Next="ask"),
        "ask": task("ask", Retry=retry, Assign={"ready": "{% $states.result %}"}, Next="count"),
        "count": passing(Assign={"round": "{% $round + 1 %}"}, Next="again"),
        "again": choosing(("$ready", "end"), ("$round = 3", "limit"), default="ask"),
        "limit": {"Type": "Fail", "Error": "LoopLimit", "Cause": "{% $string($round) %}"},
        "end": passing(Output="{% $round %}"),
    }
    busy = Fails("Busy")

    assert output(play(states, {"ask": [busy, False, busy, False, busy, True]})) == 3
    endless = play(states, {"ask": [False]}).ended
    assert (endless.error, endless.cause) == ("LoopLimit", "3")


def test_an_expression_that_fails_can_be_caught_where_a_task_catches() -> None:
    states = {
        "ask": task("ask", says="{% $missing.text %}", **caught("end", Output={"e": "caught"})),
        "end": passing(),
    }

    assert output(play(states, {"ask": [1]})) == {"e": "caught"}


def test_a_condition_that_is_undefined_fails_the_execution() -> None:
    states = {"choose": choosing(("$missing", "end"), default="end"), "end": passing()}

    assert play(states).ended.error == "States.QueryEvaluationError"


def test_values_of_every_kind_come_through() -> None:
    values = [None, 0, "", [], [[1]], {"a": None}, 'a "b" {% c %}']
    states = {
        "ask": task("ask", Assign={"value": "{% $states.result %}"}, Next="end"),
        "end": passing(Output="{% $value %}"),
    }

    assert [output(play(states, {"ask": [value]})) for value in values] == values


def test_the_whole_execution_may_run_out_of_time() -> None:
    states = {"ask": task("ask", TimeoutSeconds=500)}

    ended = play(states, {"ask": [SILENT]}, TimeoutSeconds=60).ended

    assert (ended.status, ended.seconds) == ("TIMED_OUT", 60)


def test_an_execution_without_end_is_broken_off() -> None:
    states = {"a": passing(Next="b"), "b": passing(Next="a")}
    definition = json.dumps({"QueryLanguage": "JSONata"} | machine(states))

    with pytest.raises(TooLongError, match="longer than 100 events"):
        Execution(definition, None, lambda _: None, max_events=100).run()


def test_what_the_receiver_of_messages_raises_ends_it() -> None:
    definition = json.dumps({"QueryLanguage": "JSONata"} | machine({"ask": task("ask")}))

    def receive(message: dict[str, Any]) -> None:
        raise LookupError(message["name"])

    with pytest.raises(LookupError, match="ask"):
        Execution(definition, None, receive).run()


def test_succeed_and_fail_end_it() -> None:
    said = {"said": "{% $states.input %}"}

    assert output(play({"end": {"Type": "Succeed", "Output": said}}, given=1)) == {"said": 1}
    failed = play({"end": {"Type": "Fail", "Error": "States.Timeout", "Cause": "told so"}}).ended
    assert (failed.status, failed.error, failed.cause) == ("FAILED", "States.Timeout", "told so")


def test_the_same_run_takes_the_same_course() -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 3, "JitterStrategy": "FULL"}]
    item = {"ask": task("ask", Retry=retry, says="{% $states.context.Map.Item.Index %}")}
    states = {"all": each([1, 2, 3, 4], item)}
    answers = {"ask": [Fails("Busy")] * 7 + ["done"]}

    runs = [play(states, answers) for _ in range(2)]

    first, second = [[message["says"] for message in run.messages] for run in runs]
    assert first == second
    assert runs[0].ended == runs[1].ended


def test_the_states_entered_are_told_in_their_order() -> None:
    states = {"a": passing(Next="p"), "p": parallel({"b": passing()}, {"c": passing()})}

    assert play(states).ended.entered == ("a", "p", "b", "c")

"""Templates for property tests: some that are right by construction, some that mostly are not."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Made = dict[str, Any]

IDS = ("a", "b-2", "größe", "sum", "a (fallback)", "step_2d_1", "任务 1", "x" * 80)
SOURCES = (
    "$input.x",
    "$tasks.a.x",
    "$tasks.`b-2`[0]",
    "$session.id",
    "$error.code",
    "$map($input.xs, function($v) { $v & $tasks.a })",
    "($n := 1; $n)",
    "'$tasks.a'",
    "$tasks",
    "$count($tasks.größe)",
    "$x",
    "1 +",
    "$input ? $tasks.a : null",
    "{'a': $input}.a",
)

ids = st.sampled_from(IDS)
expressions = st.sampled_from(SOURCES).map(lambda source: f"{{% {source} %}}")
plain = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
fine_plain = (plain | numbers).filter(
    lambda value: not isinstance(value, str) or ("{%" not in value and "%}" not in value)
)


def json_of(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """JSON with these leaves."""
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=8,
    )


def objects_of(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Made]:
    """JSON objects with these leaves."""
    return st.dictionaries(st.text(max_size=8), json_of(leaves), max_size=3)


def made(optional: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Made]:
    """Objects in which each field may be absent."""
    return st.fixed_dictionaries(dict[str, st.SearchStrategy[Any]](), optional=optional)


# What is right by construction ----------------------------------------------------------------

durations = st.sampled_from(["30s", "5m", "PT1H", 90, "1d"])
errors = st.lists(
    st.sampled_from(["AgentError", "AgentTimeout", "HeartbeatTimeout", "Rejected", "Own"]),
    min_size=1,
    max_size=2,
)
numbers_of_rules: dict[str, st.SearchStrategy[Any]] = {
    "maxRetries": st.integers(0, 5),
    "interval": st.sampled_from(["1s", "2s", "50s"]),
    "backoffRate": st.sampled_from([1, 1.5, 2]),
    "maxDelay": st.sampled_from(["1m", "5m"]),
    "jitter": st.sampled_from(["full", "none"]),
}
rules = made({"errors": errors, **numbers_of_rules})
retries = rules | st.builds(
    lambda some, last: [*some, *last],
    st.lists(rules.filter(lambda r: "errors" in r), max_size=2),
    st.lists(made(numbers_of_rules), max_size=1),
)


@st.composite
def good_templates(draw: st.DrawFn) -> Made:
    """Templates that must be accepted: tasks run onwards, and read only what has been made.

    What has been made is worked out here by sets, apart from the checks' own way.
    """
    names = draw(st.lists(ids, min_size=1, max_size=5, unique=True))
    known: dict[str, set[str]] = {names[0]: set()}
    tasks = []
    for index, name in enumerate(names):
        later = names[index + 1 :]
        task = draw(_good_task(name, known[name], later))
        tasks.append(task)
        arrivals = [(later[0], known[name] | {name})] if later else []
        if "taskId" in task.get("fallback", {}):
            arrivals.append((task["fallback"]["taskId"], known[name] | {"$error"}))
        for target, results in arrivals:
            known[target] = known[target] & results if target in known else results
    return {"id": "w", "name": "W", "tasks": tasks}


@st.composite
def _good_task(draw: st.DrawFn, name: str, known: set[str], later: list[str]) -> Made:
    leaves = fine_plain | _good_expressions(known)
    in_fallback = fine_plain | _good_expressions(known | {"$error"})
    fallbacks = [
        made({"parameters": objects_of(in_fallback), "retry": retries}).map(
            lambda route: {"agentId": "bob"} | route
        ),
        st.fixed_dictionaries({"result": json_of(in_fallback)}),
    ]
    if later:
        fallbacks.append(st.fixed_dictionaries({"taskId": st.sampled_from(later)}))
    seconds = durations | _good_expressions(known)
    return {"taskId": name} | draw(
        made(
            {
                "name": st.text(st.characters(categories=["L"]), min_size=1, max_size=10),
                "agentCapability": st.just("c") | _good_expressions(known),
                "parameters": objects_of(leaves) | _good_expressions(known),
                "nextTaskId": st.just(later[0] if later else None),
                "retry": retries,
                "fallback": st.one_of(fallbacks),
                "timeout": seconds,
                "waitTimeout": seconds,
                "heartbeat": seconds,
                "priority": st.integers(0, 9) | _good_expressions(known),
            }
        )
    )


def _good_expressions(known: set[str]) -> st.SearchStrategy[str]:
    """Expressions over the input, and over results and errors that are there."""
    names = ["$input.x", "$session.id", "$count($input.xs)"]
    names += [f"$tasks.`{name}`.x" for name in sorted(known) if name != "$error"]
    names += ["$error.message"] if "$error" in known else []
    return st.sampled_from(names).map(lambda name: f"{{% {name} %}}")


# What mostly is not ---------------------------------------------------------------------------

odd_durations = durations | st.sampled_from(["soon", -1]) | expressions
odd_rules = made(
    {
        **numbers_of_rules,
        "errors": st.lists(st.sampled_from(["ALL", "AgentError", "States.ALL"]), max_size=2),
        "maxRetries": st.integers(-1, 5),
    }
)
odd_tasks = made(
    {
        "taskId": ids,
        "agentId": st.just("bob") | expressions,
        "agentCapability": st.just("c") | expressions,
        "name": st.text(max_size=10) | expressions,
        "parameters": objects_of(plain | expressions) | expressions,
        "nextTaskId": ids | st.none(),
        "retry": odd_rules | st.lists(odd_rules, max_size=3),
        "fallback": made({"agentId": st.just("bob"), "taskId": ids, "result": plain | expressions}),
        "timeout": odd_durations,
        "heartbeat": odd_durations,
        "priority": st.integers(-1, 10) | expressions,
    }
)
odd_fallbacks = made({"taskId": ids, "result": plain | expressions, "agentId": st.just("bob")})
odd_leaves: dict[str, st.SearchStrategy[Any]] = {
    "wait": odd_durations | made({"until": st.just("2026-11-24T09:00:00Z") | expressions}),
    "set": st.dictionaries(
        st.sampled_from(["x", "y", "sum", "2"]), plain | expressions, max_size=2
    ),
    "approval": plain | made({"prompt": json_of(plain | expressions), "timeout": odd_durations}),
    "signal": plain | made({"name": plain | expressions, "timeout": odd_durations}),
    "workflow": st.just("other") | made({"id": st.just("other") | expressions, "version": plain}),
    "choice": st.lists(made({"when": expressions, "nextTaskId": ids | st.none()}), max_size=3),
    "fail": st.just("Own")
    | made({"error": st.sampled_from(["Own", "ALL"]), "message": expressions}),
    "succeed": st.none() | made({"result": json_of(plain | expressions)}),
}


def _odd_step(kind: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[Made]:
    common = {
        "nextTaskId": ids | st.none(),
        "fallback": odd_fallbacks,
        "compensate": made({"agentCapability": st.just("c"), "parameters": objects_of(plain)}),
    }
    return st.fixed_dictionaries({"taskId": ids, kind: value}, optional=common)


def _odd_groups(inner: st.SearchStrategy[Made]) -> st.SearchStrategy[Made]:
    block = st.lists(inner, max_size=3)
    limits = {"maxItems": st.integers(0, 10**6), "toleratedFailurePercentage": st.integers(0, 100)}
    kinds = {
        "parallel": st.lists(made({"tasks": block}), max_size=3),
        "map": made({"items": json_of(plain | expressions), "tasks": block, **limits}),
        "repeat": made(
            {"until": expressions, "tasks": block, "maxIterations": st.integers(0, 6000)}
        ),
    }
    return st.one_of(*(_odd_step(kind, value) for kind, value in kinds.items()))


odd_steps = st.recursive(
    odd_tasks | st.one_of(*(_odd_step(kind, value) for kind, value in odd_leaves.items())),
    _odd_groups,
    max_leaves=6,
)
odd_templates = made(
    {
        "id": st.sampled_from(["w", "Abläufe", "two words"]),
        "name": st.just("W"),
        "tasks": st.lists(odd_steps, max_size=4),
        "onFailure": st.lists(odd_steps, max_size=2),
        "timeout": odd_durations,
        "version": st.sampled_from(["1.0", 2]),
    }
)
anything = json_of(plain | st.floats() | expressions)
_TOKENS = r"""
$tasks . a `b-2` $input $error ( ) [ ] { } 'x' + % * ** ? : := ; , ~> /x/ function $ ^ @ # $v | 1 <
/* */ .. and null \ é ~ ?: ??
"""
sources = st.lists(st.sampled_from([*_TOKENS.split(), " ", "\n"]), max_size=12).map("".join)

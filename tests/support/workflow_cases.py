"""What templates promise, as data: a template, what agents do, and how the session ends.

Every interpreter that runs compiled definitions runs these: moto in the integration tests, the
local stack in the end-to-end tests. `workflow_runs` plays them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any

from opscore.workflows.shipped import SAMPLE_WORKFLOW_ID, SINGLE_TASK_ID, shipped_source

SESSION_AGENT = "agent-of-the-session"


@dataclass(frozen=True)
class Fails:
    """The agent, or Ops-Core for it, ends the attempt with an error."""

    error: str
    cause: str = "because"


@dataclass(frozen=True)
class Silent:
    """No one ever answers: the state's own timeout ends the attempt."""


@dataclass(frozen=True)
class Case:
    """One session.

    `agents` has the answers to each task's messages in turn, by task, by `task#route` or by
    `task@index`; the last one repeats. `sent` has what must be in each message, in order (by task,
    index and retry where steps run at once); "absent" means that it is not. `cause`: `...` is any.
    `entered` counts the states that the execution enters.
    """

    name: str
    template: str
    agents: Mapping[str, Sequence[Any]]
    sent: Sequence[Mapping[str, Any]]
    payload: Any = field(default_factory=dict)
    status: str = "SUCCEEDED"
    output: Any = None
    error: str | None = None
    cause: Any = None
    entered: int | None = None
    at_once: bool = False


def template(tasks: str, *, more: str = "") -> str:
    """A whole template around a list of tasks."""
    head = f"id: case\nname: A case\n{dedent(more)}"
    lines = "".join(f"  {line}\n" for line in dedent(tasks).strip().splitlines())
    return f"{head}\ntasks:\n{lines}"


QUOTES = 'say "hi"\\ \n\t%} {% é 任务 \U0001f600'
NOW = "retry: {maxRetries: 0}"
QUICK = "retry: {maxRetries: 1, interval: 1s}"

CASES = [
    Case(
        "a sequence passes results on, and enters one state per task",
        template(
            """
            - taskId: classify
              agentCapability: text.classify
              parameters: {text: "{% $input.alert.text %}"}
            - taskId: fix
              agentId: fixer
              parameters:
                severity: "{% $tasks.classify.severity %}"
                nested: [{all: "{% $tasks.classify %}"}, plain, 5, null, true]
            - taskId: close
              parameters: {both: "{% [$tasks.classify.severity, $tasks.fix.done] %}"}
            """
        ),
        payload={"alert": {"text": QUOTES}},
        agents={
            "classify": [{"severity": "high", "quote": QUOTES}],
            "fix": [{"done": 1}],
            "close": ["closed"],
        },
        sent=[
            {
                "kind": "task",
                "workflowId": "case",
                "taskId": "classify",
                "name": "classify",
                "route": 0,
                "retry": 0,
                "agentCapability": "text.classify",
                "agentId": "absent",
                "sessionAgentId": SESSION_AGENT,
                "parameters": {"text": QUOTES},
                "timeout": 600,
                "waitTimeout": 3600,
                "heartbeat": "absent",
                "priority": 5,
                "index": [],
            },
            {
                "taskId": "fix",
                "agentId": "fixer",
                "agentCapability": "absent",
                "parameters": {
                    "severity": "high",
                    "nested": [
                        {"all": {"severity": "high", "quote": QUOTES}},
                        "plain",
                        5,
                        None,
                        True,
                    ],
                },
            },
            {"taskId": "close", "agentId": SESSION_AGENT, "parameters": {"both": ["high", 1]}},
        ],
        output="closed",
        entered=3,
    ),
    Case(
        "nextTaskId jumps forwards and backwards, and null ends the session",
        template(
            """
            - {taskId: a, nextTaskId: c}
            - {taskId: b, nextTaskId: null}
            - {taskId: c, nextTaskId: b}
            """
        ),
        agents={"a": [1], "b": [{"last": True}], "c": [3]},
        sent=[{"taskId": "a"}, {"taskId": "c"}, {"taskId": "b"}],
        output={"last": True},
        entered=3,
    ),
    Case(
        "four attempts by default",
        template("- {taskId: a, retry: {interval: 1s, backoffRate: 1}}"),
        agents={"a": [Fails("AgentError", "it broke")]},
        sent=[{"taskId": "a", "retry": n} for n in range(4)],
        status="FAILED",
        error="AgentError",
        cause="it broke",
        entered=1,
    ),
    Case(
        "the first matching retry rule decides, and each counts for itself",
        template(
            """
            - taskId: a
              retry:
                - {errors: [InvalidResult], maxRetries: 1, interval: 1s, jitter: none}
                - {errors: [AgentError, AgentTimeout], maxRetries: 2, interval: 1s, backoffRate: 1}
            """
        ),
        agents={
            "a": [
                Fails("InvalidResult"),
                Fails("AgentError"),
                Fails("AgentTimeout"),
                {"at": "last"},
            ]
        },
        sent=[{"retry": n} for n in range(4)],
        output={"at": "last"},
    ),
    Case(
        "a rule that is used up does not hand over to the next",
        template(
            """
            - taskId: a
              retry:
                - {errors: [InvalidResult], maxRetries: 1, interval: 1s}
                - {maxRetries: 5, interval: 1s}
            """
        ),
        agents={"a": [Fails("InvalidResult", "no severity")]},
        sent=[{"retry": 0}, {"retry": 1}],
        status="FAILED",
        error="InvalidResult",
        cause="no severity",
    ),
    Case(
        "an error that no rule names is not retried",
        template("- {taskId: a, retry: [{errors: [Busy], maxRetries: 5}]}"),
        agents={"a": [Fails("Other")]},
        sent=[{"retry": 0}],
        status="FAILED",
        error="Other",
        cause="because",
    ),
    Case(
        "an error code of the agent's own can be named",
        template("- {taskId: a, retry: [{errors: Busy, maxRetries: 1, interval: 1s}]}"),
        agents={"a": [Fails("Busy"), "done"]},
        sent=[{"retry": 0}, {"retry": 1}],
        output="done",
    ),
    Case(
        "Rejected is never retried under ALL",
        template("- {taskId: a, retry: {maxRetries: 5, interval: 1s}}"),
        agents={"a": [Fails("Rejected", "too risky")]},
        sent=[{"retry": 0}],
        status="FAILED",
        error="Rejected",
        cause="too risky",
    ),
    Case(
        "Rejected is retried where a rule names it",
        template("- {taskId: a, retry: [{errors: [Rejected], maxRetries: 1, interval: 1s}, {}]}"),
        agents={"a": [Fails("Rejected"), 1]},
        sent=[{"retry": 0}, {"retry": 1}],
        output=1,
    ),
    Case(
        "an expression that fails is not retried, and its fallback knows why",
        template(
            """
            - {taskId: a}
            - taskId: b
              parameters: {n: "{% $tasks.a.text - 1 %}"}
              retry: {maxRetries: 5, interval: 1m, jitter: none}
              fallback: {agentId: other, parameters: {code: "{% $error.code %}"}}
            """
        ),
        agents={"a": [{"text": "t"}], "b#1": ["b"]},
        sent=[
            {"taskId": "a"},
            {"taskId": "b", "route": 1, "parameters": {"code": "ExpressionError"}},
        ],
        output="b",
    ),
    Case(
        "a result that is not there fails the task that needs it",
        template(
            """
            - {taskId: a}
            - {taskId: b, parameters: {n: "{% $tasks.a.nothing %}"}, fallback: {result: none}}
            """
        ),
        agents={"a": [{}]},
        sent=[{"taskId": "a"}],
        output="none",
    ),
    Case(
        "a fallback route has retries of its own, and its result is the task's",
        template(
            f"""
            - taskId: classify
              agentCapability: large
              parameters: {{text: "{{% $input.text %}}"}}
              {QUICK}
              fallback:
                agentCapability: small
                parameters: {{text: "{{% $input.text %}}", why: "{{% $error %}}"}}
                retry: {{maxRetries: 1, interval: 1s}}
            - taskId: fix
              parameters: {{severity: "{{% $tasks.classify.severity %}}"}}
            """
        ),
        payload={"text": QUOTES},
        agents={
            "classify#0": [Fails("AgentError", QUOTES)],
            "classify#1": [Fails("AgentLost"), {"severity": "mid"}],
            "fix": ["fixed"],
        },
        sent=[
            {"route": 0, "retry": 0, "agentCapability": "large"},
            {"route": 0, "retry": 1},
            {
                "taskId": "classify",
                "route": 1,
                "retry": 0,
                "agentCapability": "small",
                "parameters": {
                    "text": QUOTES,
                    "why": {"code": "AgentError", "message": QUOTES, "taskId": "classify"},
                },
            },
            {"route": 1, "retry": 1},
            {"taskId": "fix", "parameters": {"severity": "mid"}},
        ],
        output="fixed",
    ),
    Case(
        "a fallback route without parameters has the task's",
        template(f"- {{taskId: a, parameters: {{n: 1}}, {NOW}, fallback: {{agentId: b}}}}"),
        agents={"a#0": [Fails("AgentError")], "a#1": [2]},
        sent=[
            {"agentId": SESSION_AGENT, "parameters": {"n": 1, "x": 2}},
            {"agentId": "b", "parameters": {"n": 1, "x": 2}},
        ],
        payload={"x": 2},
        output=2,
    ),
    Case(
        "the session fails with the error of its last fallback",
        template(f"- {{taskId: a, {NOW}, fallback: {{agentId: b, {NOW}}}}}"),
        agents={"a#0": [Fails("First")], "a#1": [Fails("Last", "the end")]},
        sent=[{"route": 0}, {"route": 1}],
        status="FAILED",
        error="Last",
        cause="the end",
        entered=2,
    ),
    Case(
        "a fallback task goes on with another one, which sees the error",
        template(
            f"""
            - {{taskId: a, {NOW}, fallback: {{taskId: repair}}}}
            - {{taskId: b, parameters: {{a: "{{% $tasks.a %}}"}}, nextTaskId: end}}
            - taskId: repair
              parameters: {{code: "{{% $error.code %}}", from: "{{% $error.taskId %}}"}}
            - {{taskId: end}}
            """
        ),
        agents={"a": [Fails("AgentError")], "repair": [1], "end": ["end"]},
        sent=[
            {"taskId": "a"},
            {"taskId": "repair", "parameters": {"code": "AgentError", "from": "a"}},
            {"taskId": "end"},
        ],
        output="end",
    ),
    Case(
        "no fallback task without a failure",
        template(
            """
            - {taskId: a, fallback: {taskId: repair}}
            - {taskId: b, parameters: {a: "{% $tasks.a %}"}, nextTaskId: null}
            - {taskId: repair}
            """
        ),
        agents={"a": [{"n": 1}], "b": ["b"]},
        sent=[{"taskId": "a"}, {"taskId": "b", "parameters": {"a": {"n": 1}}}],
        output="b",
    ),
    Case(
        "a fixed result takes the place of the task's, without a state of its own",
        template(
            f"""
            - taskId: metrics
              {NOW}
              fallback: {{result: {{series: [], why: "{{% $error.message %}}"}}}}
            - taskId: list
              {NOW}
              fallback: {{result: [1, [2]]}}
            - taskId: nothing
              {NOW}
              fallback: {{result: null}}
            - taskId: use
              parameters:
                n: "{{% $count($tasks.metrics.series) %}}"
                why: "{{% $tasks.metrics.why %}}"
                list: "{{% $tasks.list %}}"
                nothing: "{{% $tasks.nothing = null %}}"
            """
        ),
        agents={
            "metrics": [Fails("AgentError", QUOTES)],
            "list": [Fails("AgentError")],
            "nothing": [Fails("AgentError")],
            "use": ["used"],
        },
        sent=[
            {"taskId": "metrics"},
            {"taskId": "list"},
            {"taskId": "nothing"},
            {"parameters": {"n": 0, "why": QUOTES, "list": [1, [2]], "nothing": True}},
        ],
        output="used",
        entered=4,
    ),
    Case(
        "a fixed result of the last task is the session's",
        template(
            f"""
            - taskId: a
              {NOW}
              fallback: {{result: {{fixed: true, why: "{{% $error %}}"}}}}
            """
        ),
        agents={"a": [Fails("AgentError", "it broke")]},
        sent=[{"taskId": "a"}],
        output={
            "fixed": True,
            "why": {"code": "AgentError", "message": "it broke", "taskId": "a"},
        },
        entered=2,
    ),
    *(
        Case(
            f"a fixed result can be {kind}",
            template(f"- {{taskId: a, {NOW}, fallback: {{result: {text}}}}}"),
            agents={"a": [Fails("AgentError")]},
            sent=[{"taskId": "a"}],
            output=value,
        )
        for kind, text, value in (
            ("null", "null", None),
            ("text", "'it is \"so\"'", 'it is "so"'),
            ("a number", "-1.5", -1.5),
            ("a list", "[[1], {}]", [[1], {}]),
            ("a list of one", "[1]", [1]),
            ("an empty list", "[]", []),
            ("a list with expressions", '["{% $error.code %}", 2]', ["AgentError", 2]),
            ("an expression", '"{% $error.taskId %}"', "a"),
        )
    ),
    Case(
        "results of every kind come through",
        template(
            """
            - {taskId: nothing}
            - {taskId: text}
            - {taskId: list}
            - taskId: use
              parameters:
                nothing: "{% $tasks.nothing %}"
                text: "{% $tasks.text %}"
                list: "{% $tasks.list %}"
            """
        ),
        agents={"nothing": [None], "text": [QUOTES], "list": [[[1], [], "x"]], "use": [None]},
        sent=[
            {"taskId": "nothing"},
            {"taskId": "text"},
            {"taskId": "list"},
            {"parameters": {"nothing": None, "text": QUOTES, "list": [[1], [], "x"]}},
        ],
        output=None,
    ),
    Case(
        "a task that no one answers ends as AgentTimeout",
        template(
            """
            - taskId: a
              retry: [{errors: [AgentTimeout], maxRetries: 1, interval: 1s}]
              fallback: {agentId: other, parameters: {code: "{% $error.code %}"}}
            """
        ),
        agents={"a": [Silent()], "a#1": ["late"]},
        sent=[{"retry": 0}, {"retry": 1}, {"route": 1, "parameters": {"code": "AgentTimeout"}}],
        output="late",
    ),
    Case(
        "HeartbeatTimeout is an error of its own",
        template(
            """
            - taskId: a
              heartbeat: 30s
              retry: [{errors: [HeartbeatTimeout], maxRetries: 1, interval: 1s}]
              fallback: {result: "{% $error.code %}"}
            """
        ),
        agents={"a": [Fails("HeartbeatTimeout"), Fails("AgentTimeout")]},
        sent=[{"heartbeat": 30, "retry": 0}, {"retry": 1}],
        output="AgentTimeout",
    ),
    Case(
        "task ids of any characters, and ids like JSONata's functions",
        template(
            """
            - {taskId: cool-down.v2}
            - {taskId: größe, parameters: {a: "{% $tasks.`cool-down.v2`.n %}"}}
            - {taskId: 任务 1, parameters: {a: "{% $tasks.größe.n %}"}}
            - {taskId: sum, parameters: {a: "{% $tasks.`任务 1`.n %}"}}
            - {taskId: step_2d_1, parameters: {a: "{% $sum([$tasks.sum.n, 1]) %}"}}
            - {taskId: 1st/step?, parameters: {a: "{% $tasks.'step_2d_1'.n %}"}}
            """
        ),
        agents={
            "cool-down.v2": [{"n": 1}],
            "größe": [{"n": 2}],
            "任务 1": [{"n": 3}],
            "sum": [{"n": 4}],
            "step_2d_1": [{"n": 6}],
            "1st/step?": ["end"],
        },
        sent=[
            {"taskId": "cool-down.v2"},
            *(
                {"taskId": task, "parameters": {"a": n}}
                for task, n in (
                    ("größe", 1),
                    ("任务 1", 2),
                    ("sum", 3),
                    ("step_2d_1", 5),
                    ("1st/step?", 6),
                )
            ),
        ],
        output="end",
    ),
    Case(
        "text that looks like a name is left alone",
        template(
            r"""
            - {taskId: a}
            - taskId: b
              parameters:
                x: "{% '$tasks.a ' & $string($tasks.a.n) & /* $input */ \" $input\" %}"
                y: "{% $map([1, 2], function($v) { $v + $tasks.a.n }) %}"
                z: "{% ($n := $tasks.a.n; $n * 2) %}"
                w: "{% $contains('a$tasks', /\\$tasks/) %}"
            """
        ),
        agents={"a": [{"n": 5}], "b": [1]},
        sent=[
            {"taskId": "a"},
            {"parameters": {"x": "$tasks.a 5 $input", "y": [6, 7], "z": 10, "w": True}},
        ],
        output=1,
    ),
    Case(
        "the first task's own parameters are overlaid by the payload",
        template(
            """
            - {taskId: a, parameters: {a: 1, b: [1], c: "x \\"y\\" / \\\\ é", d: null, e: [[]]}}
            - {taskId: b, parameters: {a: 1}}
            """
        ),
        payload={"a": 2, "new": QUOTES},
        agents={"a": [1], "b": [2]},
        sent=[
            {
                "parameters": {
                    "a": 2,
                    "b": [1],
                    "c": 'x "y" / \\ é',
                    "d": None,
                    "e": [[]],
                    "new": QUOTES,
                }
            },
            {"parameters": {"a": 1}},
        ],
        output=2,
    ),
    *(
        Case(
            f"a payload that is {kind} overlays nothing",
            template("- {taskId: a, parameters: {a: 1}}"),
            payload=payload,
            agents={"a": [1]},
            sent=[{"parameters": {"a": 1}}],
            output=1,
        )
        for kind, payload in (("null", None), ("a list", [1]), ("text", "x"), ("empty", {}))
    ),
    Case(
        "a first task that uses expressions gets what it says, and no more",
        template("- {taskId: a, parameters: {a: '{% $input.b %}'}}"),
        payload={"a": 1, "b": 2},
        agents={"a": [1]},
        sent=[{"parameters": {"a": 2}}],
        output=1,
    ),
    Case(
        "who, how long and how urgent may be expressions",
        template(
            """
            - taskId: a
              name: "{% 'Ask ' & $input.who %}"
              agentId: "{% $input.who %}"
              agentCapability: "{% null %}"
              parameters: "{% $input.parameters %}"
              timeout: "{% $input.seconds %}"
              waitTimeout: "{% $input.seconds * 2 %}"
              heartbeat: "{% $input.seconds / 2 %}"
              priority: "{% $input.urgent ? 9 : 1 %}"
            """
        ),
        payload={"who": "bob", "seconds": 40, "urgent": True, "parameters": {"n": [1]}},
        agents={"a": [1]},
        sent=[
            {
                "name": "Ask bob",
                "agentId": "bob",
                "agentCapability": None,
                "parameters": {"n": [1]},
                "timeout": 40,
                "waitTimeout": 80,
                "heartbeat": 20,
                "priority": 9,
            }
        ],
        output=1,
    ),
    Case(
        "the session itself can be read",
        template(
            "- {taskId: a, parameters: {v: '{% $session.workflowVersion %}', s: '{% $session %}'}}"
        ),
        agents={"a": [1]},
        sent=[
            {
                "parameters": {
                    "v": 1,
                    "s": {
                        "id": "s",
                        "agentId": SESSION_AGENT,
                        "workflowId": "case",
                        "workflowVersion": 1,
                    },
                }
            }
        ],
        output=1,
    ),
    Case(
        "a loop ends by a fallback, and its retries start afresh each time",
        template(
            """
            - {taskId: poll, retry: {maxRetries: 1, interval: 1s}, fallback: {taskId: done}}
            - {taskId: count, nextTaskId: poll}
            - {taskId: done, parameters: {why: "{% $error.code %}"}}
            """
        ),
        agents={
            "poll": [Fails("E"), 1, Fails("E"), 2, Fails("E"), Fails("Empty")],
            "count": [1],
            "done": ["done"],
        },
        sent=[
            {"taskId": "poll", "retry": 0},
            {"taskId": "poll", "retry": 1},
            {"taskId": "count"},
            {"taskId": "poll", "retry": 0},
            {"taskId": "poll", "retry": 1},
            {"taskId": "count"},
            {"taskId": "poll", "retry": 0},
            {"taskId": "poll", "retry": 1},
            {"taskId": "done", "parameters": {"why": "Empty"}},
        ],
        output="done",
    ),
    Case(
        "defaults hold where a task says nothing",
        template(
            """
            - {taskId: a}
            - {taskId: b, timeout: 30s, waitTimeout: PT1H30M, retry: {maxRetries: 0}}
            """,
            more="""
            timeout: 2h
            defaults: {timeout: 5m, waitTimeout: 1d, retry: {maxRetries: 1, interval: 1s}}
            """,
        ),
        agents={"a": [Fails("E"), 1], "b": [2]},
        sent=[
            {"timeout": 300, "waitTimeout": 86400},
            {"retry": 1},
            {"timeout": 30, "waitTimeout": 5400},
        ],
        output=2,
    ),
    Case(
        "the shipped sample workflow",
        shipped_source(SAMPLE_WORKFLOW_ID) or "",
        payload={"key": "value"},
        agents={"step_1": [{"n": 1}], "step_2": [{"n": 2}]},
        sent=[
            {
                "name": "First Step",
                "agentCapability": "test_capability",
                "parameters": {"message": "This is the first step.", "key": "value"},
            },
            {"agentCapability": "another_capability", "parameters": {"value": 123}},
        ],
        output={"n": 2},
        entered=2,
    ),
    Case(
        "the shipped single task with every field",
        shipped_source(SINGLE_TASK_ID) or "",
        payload={
            "agentId": "bob",
            "agentCapability": "c",
            "name": "Look",
            "parameters": {"n": [1]},
            "timeout": 30,
            "waitTimeout": 60,
            "heartbeat": 10,
            "priority": 0,
        },
        agents={"task": [1]},
        sent=[
            {
                "agentId": "bob",
                "agentCapability": "c",
                "name": "Look",
                "parameters": {"n": [1]},
                "timeout": 30,
                "waitTimeout": 60,
                "heartbeat": 10,
                "priority": 0,
            }
        ],
        output=1,
    ),
    *(
        Case(
            f"the shipped single task with fields {how}",
            shipped_source(SINGLE_TASK_ID) or "",
            payload={"agentId": "bob"} | payload,
            agents={"task": [None]},
            sent=[
                {
                    "agentId": "bob",
                    "agentCapability": None,
                    "name": "task",
                    "parameters": {},
                    "timeout": 600,
                    "waitTimeout": 3600,
                    "heartbeat": None,
                    "priority": 5,
                }
            ],
            entered=1,
        )
        for how, payload in (
            ("not given", {}),
            (
                "given as null",
                {
                    "agentCapability": None,
                    "name": None,
                    "parameters": None,
                    "timeout": None,
                    "waitTimeout": None,
                    "heartbeat": None,
                    "priority": None,
                },
            ),
        )
    ),
]

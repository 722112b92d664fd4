"""What each kind of step promises, as cases: choices, branches, maps, loops, waits, answers."""

from __future__ import annotations

from typing import Any

from tests.support.workflow_cases import Case, Fails, template

NO_RETRIES = "defaults: {retry: {maxRetries: 0}}"


def asked(*tasks: str, **more: Any) -> list[dict[str, Any]]:
    """Messages of these tasks, in this order."""
    return [{"taskId": task, **more} for task in tasks]


CHOICES = template(
    """
    - {taskId: classify}
    - taskId: severe
      choice:
        - {when: "{% $tasks.classify.severity = 'low' %}", nextTaskId: close}
        - {when: "{% $tasks.classify.score > 0.9 %}", nextTaskId: page}
        - {when: "{% $tasks.classify.ignored %}", nextTaskId: null}
    - {taskId: look}
    - {taskId: page, nextTaskId: null}
    - {taskId: close}
    """
)

CHOICE_CASES = [
    Case(
        f"a choice: {how}",
        CHOICES,
        agents={"classify": [found], "look": [1], "page": ["p"], "close": ["c"]},
        sent=asked(*way),
        output=output,
        entered=entered,
    )
    for how, found, way, output, entered in (
        (
            "the first rule that holds",
            {"severity": "low", "score": 1},
            ("classify", "close"),
            "c",
            3,
        ),
        ("a later rule", {"score": 0.95}, ("classify", "page"), "p", 3),
        ("the end of the list", {"score": 0, "ignored": True}, ("classify",), None, 3),
        ("nothing holds", {"score": 0}, ("classify", "look", "page"), "p", 4),
    )
] + [
    Case(
        "a condition on what is not there fails the session",
        template(
            """
            - {taskId: which, choice: [{when: "{% $input.a - 1 > 0 %}", nextTaskId: end}]}
            - {taskId: end}
            """
        ),
        payload={"a": "text"},
        agents={},
        sent=[],
        status="FAILED",
        error="States.QueryEvaluationError",
        cause=...,
    ),
    Case(
        "a condition that is not there does not hold",
        template(
            """
            - {taskId: which, choice: [{when: "{% $input.missing %}", nextTaskId: end}]}
            - {taskId: other}
            - {taskId: end}
            """
        ),
        agents={"other": [1], "end": [2]},
        sent=asked("other", "end"),
        output=2,
    ),
]

BRANCHES = template(
    """
    - {taskId: pre}
    - taskId: look
      parallel:
        - tasks:
            - {taskId: logs, parameters: {pre: "{% $tasks.pre.n %}"}}
            - {taskId: suspects, parameters: {of: "{% $tasks.logs.l %}"}}
        - tasks:
            - taskId: metrics
              retry: {maxRetries: 1, interval: 1s}
              fallback: {result: {series: []}}
    - taskId: after
      parameters: {who: "{% $tasks.look[0].who %}", series: "{% $tasks.look[1].series %}"}
    """,
    more=NO_RETRIES,
)

BRANCH_CASES = [
    Case(
        "branches run at once, each with its retries, and give a list of results",
        BRANCHES,
        agents={
            "pre": [{"n": 7}],
            "logs": [{"l": 1}],
            "suspects": [{"who": ["s1", "s2"]}],
            "metrics": [Fails("AgentError"), {"series": [9]}],
            "after": ["done"],
        },
        sent=[
            {"taskId": "after", "parameters": {"who": ["s1", "s2"], "series": [9]}},
            {"taskId": "logs", "parameters": {"pre": 7}},
            {"taskId": "metrics", "retry": 0},
            {"taskId": "metrics", "retry": 1},
            {"taskId": "pre"},
            {"taskId": "suspects", "parameters": {"of": 1}},
        ],
        at_once=True,
        output="done",
        entered=6,
    ),
    Case(
        "a fixed result stands for a branch's last step",
        BRANCHES,
        agents={
            "pre": [{"n": 7}],
            "logs": [{"l": 1}],
            "suspects": [{"who": ["s1"]}],
            "metrics": [Fails("AgentError")],
            "after": ["done"],
        },
        sent=[
            {"taskId": "after", "parameters": {"who": ["s1"], "series": []}},
            *asked("logs", "metrics", "metrics", "pre", "suspects"),
        ],
        at_once=True,
        output="done",
        entered=7,
    ),
    Case(
        "a branch that fails fails them all, and the fallback knows why",
        template(
            """
            - taskId: both
              parallel:
                - tasks: [{taskId: bad}]
                - tasks: [{taskId: pause, wait: 1h}]
              fallback: {taskId: page}
              nextTaskId: null
            - {taskId: page, parameters: {why: "{% $error %}"}}
            """,
            more=NO_RETRIES,
        ),
        agents={"bad": [Fails("Boom", "it broke")], "page": ["paged"]},
        sent=[
            {"taskId": "bad"},
            {
                "taskId": "page",
                "parameters": {"why": {"code": "Boom", "message": "it broke", "taskId": "both"}},
            },
        ],
        output="paged",
    ),
    Case(
        "branches are tried again together",
        template(
            """
            - taskId: both
              parallel:
                - tasks: [{taskId: left}]
                - tasks: [{taskId: right}]
              retry: {maxRetries: 1, interval: 1s}
            """,
            more=NO_RETRIES,
        ),
        agents={"left": [Fails("Boom"), 1, 1], "right": [2]},
        sent=asked("left", "left", "right", "right"),
        at_once=True,
        output=[1, 2],
    ),
    Case(
        "inside a branch a fallback's error is the branch's own",
        template(
            """
            - {taskId: first, fallback: {taskId: both}, nextTaskId: null}
            - taskId: both
              parallel:
                - tasks:
                    - {taskId: bad, parameters: {outer: "{% $error.code %}"},
                        fallback: {taskId: inner}, nextTaskId: null}
                    - {taskId: inner, parameters: {inner: "{% $error.code %}"}}
            - {taskId: last, parameters: {outer: "{% $error.code %}"}}
            """,
            more=NO_RETRIES,
        ),
        agents={
            "first": [Fails("One")],
            "bad": [Fails("Two")],
            "inner": ["i"],
            "last": ["l"],
        },
        sent=[
            {"taskId": "first"},
            {"taskId": "bad", "parameters": {"outer": "One"}},
            {"taskId": "inner", "parameters": {"inner": "Two"}},
            {"taskId": "last", "parameters": {"outer": "One"}},
        ],
        output="l",
    ),
]

MAP = template(
    """
    - {taskId: find}
    - taskId: fixes
      map:
        items: "{% $tasks.find.suspects %}"
        maxItems: 3
        tasks:
          - taskId: propose
            parameters:
              {suspect: "{% $item %}", n: "{% $index %}", of: "{% $tasks.find.id %}"}
            fallback: {result: {patch: null}}
          - {taskId: check, parameters: {patch: "{% $tasks.propose.patch %}"}}
    - {taskId: count, parameters: {n: "{% $count($tasks.fixes) %}", all: "{% $tasks.fixes %}"}}
    """,
    more=NO_RETRIES,
)


def _mapped(*results: Any) -> list[dict[str, Any]]:
    return [
        *({"taskId": "check", "index": [n]} for n in range(len(results))),
        {"taskId": "count", "parameters": {"n": len(results), "all": list(results)}, "index": []},
        {"taskId": "find"},
        *({"taskId": "propose", "index": [n]} for n in range(len(results))),
    ]


TOLERANT = template(
    """
    - taskId: fixes
      map:
        items: "{% $input.items %}"
        toleratedFailurePercentage: 50
        tasks:
          - {taskId: propose, parameters: {item: "{% $item %}"}}
          - {taskId: good, choice: [{when: "{% $tasks.propose.bad %}", nextTaskId: bad}]}
          - {taskId: fine, succeed: {result: "{% $tasks.propose %}"}}
          - {taskId: bad, fail: {error: BadPatch, message: "{% 'no: ' & $item %}"}}
    - {taskId: after, parameters: {fixes: "{% $tasks.fixes %}"}}
    """,
    more=NO_RETRIES,
)


def _failed(index: int, item: str, code: str, message: str, task: str) -> dict[str, Any]:
    error = {"code": code, "message": message, "taskId": task}
    return {"failed": True, "index": index, "item": item, "error": error}


MAP_CASES = [
    Case(
        "a map runs its steps for each item, and gives a list of results in their order",
        MAP,
        agents={
            "find": [{"id": 5, "suspects": ["s0", {"id": 1}, "s2"]}],
            "propose@0": [{"patch": "p0"}],
            "propose@1": [Fails("AgentError")],
            "propose@2": [{"patch": "p2"}],
            "check@0": ["c0"],
            "check@1": [["c1"]],
            "check@2": [None],
            "count": ["n"],
        },
        sent=[
            {"taskId": "check", "index": [0], "parameters": {"patch": "p0"}},
            {"taskId": "check", "index": [1], "parameters": {"patch": None}},
            {"taskId": "check", "index": [2], "parameters": {"patch": "p2"}},
            {"taskId": "count", "parameters": {"n": 3, "all": ["c0", ["c1"], None]}, "index": []},
            {"taskId": "find"},
            {
                "taskId": "propose",
                "index": [0],
                "parameters": {"suspect": "s0", "n": 0, "of": 5},
            },
            {
                "taskId": "propose",
                "index": [1],
                "parameters": {"suspect": {"id": 1}, "n": 1, "of": 5},
            },
            {
                "taskId": "propose",
                "index": [2],
                "parameters": {"suspect": "s2", "n": 2, "of": 5},
            },
        ],
        at_once=True,
        output="n",
        entered=9,
    ),
    *(
        Case(
            f"a map of {how}",
            MAP,
            agents={
                "find": [{"id": 5} | found],
                "propose": [{"patch": "p"}],
                "check": ["c"],
                "count": ["n"],
            },
            sent=_mapped(*results),
            at_once=True,
            output="n",
        )
        for how, found, results in (
            ("one item", {"suspects": ["s0"]}, ["c"]),
            ("what is no list", {"suspects": "s0"}, ["c"]),
            ("no items", {"suspects": []}, []),
            ("what is missing", {}, []),
        )
    ),
    Case(
        "a map of more items than it takes fails before the first",
        MAP,
        agents={"find": [{"suspects": [1, 2, 3, 4]}]},
        sent=asked("find"),
        status="FAILED",
        error="States.QueryEvaluationError",
        cause=...,
    ),
    Case(
        "an item that fails fails the map",
        template(
            """
            - taskId: each
              map: {items: [a, b], tasks: [{taskId: one}, {taskId: pause, wait: 1h}]}
              fallback: {result: "{% $error %}"}
            """,
            more=NO_RETRIES,
        ),
        agents={"one@0": [Fails("Boom", "it broke")], "one@1": [1]},
        sent=asked("one", "one"),
        output={"code": "Boom", "message": "it broke", "taskId": "each"},
    ),
    Case(
        "failed items up to a share are told in the result",
        TOLERANT,
        payload={"items": ["a", "b", "c", "d"]},
        agents={
            "propose@0": [Fails("Boom", "it broke")],
            "propose@1": [{"bad": True}],
            "propose": [{"patch": [1]}],
            "after": ["done"],
        },
        sent=[
            {
                "taskId": "after",
                "parameters": {
                    "fixes": [
                        _failed(0, "a", "Boom", "it broke", "propose"),
                        _failed(1, "b", "BadPatch", "no: b", "bad"),
                        {"patch": [1]},
                        {"patch": [1]},
                    ]
                },
            },
            *asked("propose", "propose", "propose", "propose"),
        ],
        at_once=True,
        output="done",
    ),
    Case(
        "more failed items than tolerated fail the map",
        TOLERANT,
        payload={"items": ["a", "b", "c"]},
        agents={"propose@2": [1], "propose": [Fails("Boom", "it broke")]},
        sent=asked("propose", "propose", "propose"),
        at_once=True,
        status="FAILED",
        error="TooManyFailures",
        cause="2 of 3 items failed; the first: Boom",
    ),
    Case(
        "a tolerant map of no items",
        TOLERANT,
        payload={"items": []},
        agents={"after": ["done"]},
        sent=[{"taskId": "after", "parameters": {"fixes": []}}],
        output="done",
    ),
    Case(
        "a tolerant map at the end, with a fallback",
        template(
            """
            - taskId: each
              map:
                items: "{% $input.items %}"
                toleratedFailurePercentage: 10
                tasks: [{taskId: one}]
              fallback: {result: {why: "{% $error.message %}"}}
            """,
            more=NO_RETRIES,
        ),
        payload={"items": [1]},
        agents={"one": [Fails("Boom")]},
        sent=asked("one"),
        output={"why": "1 of 1 items failed; the first: Boom"},
    ),
    Case(
        "a tolerant map at the end",
        template(
            """
            - taskId: each
              map:
                items: [1, 2]
                toleratedFailurePercentage: 50
                tasks: [{taskId: one}]
            """,
            more=NO_RETRIES,
        ),
        agents={"one": [5]},
        sent=asked("one", "one"),
        output=[5, 5],
    ),
    Case(
        "maps in maps lead to their tasks by a path",
        template(
            """
            - taskId: outer
              map:
                items: [[1, 2], [3], "{% $input.more %}"]
                tasks:
                  - taskId: inner
                    map:
                      items: "{% $item %}"
                      tasks: [{taskId: leaf, parameters: {item: "{% $item %}"}}]
            """,
            more=NO_RETRIES,
        ),
        payload={"more": []},
        agents={"leaf": ["x"]},
        sent=[
            {"taskId": "leaf", "index": [0, 0], "parameters": {"item": 1}},
            {"taskId": "leaf", "index": [0, 1], "parameters": {"item": 2}},
            {"taskId": "leaf", "index": [1, 0], "parameters": {"item": 3}},
        ],
        at_once=True,
        output=[["x", "x"], ["x"], []],
    ),
    Case(
        "branches in a map know the item",
        template(
            """
            - taskId: each
              map:
                items: [a]
                tasks:
                  - {taskId: before, wait: 1s}
                  - taskId: both
                    parallel:
                      - tasks: [{taskId: one, parameters: {item: "{% $item %}"}}]
                      - tasks:
                          - {taskId: set-it, set: {twice: "{% $item & $item %}"}}
                          - {taskId: two, parameters: {item: "{% $twice %}"}}
                  - {taskId: last, parameters: {item: "{% $item %}", both: "{% $tasks.both %}"}}
            """,
            more=NO_RETRIES,
        ),
        agents={"one": [1], "two": [2], "last": ["l"]},
        sent=[
            {"taskId": "last", "index": [0], "parameters": {"item": "a", "both": [1, 2]}},
            {"taskId": "one", "index": [0], "parameters": {"item": "a"}},
            {"taskId": "two", "index": [0], "parameters": {"item": "aa"}},
        ],
        at_once=True,
        output=["l"],
    ),
]

LOOP = template(
    """
    - taskId: poll
      repeat:
        tasks:
          - {taskId: ask, parameters: {round: "{% $index %}"}, retry: {maxRetries: 1, interval: 1s}}
          - {taskId: pause, wait: 10s}
        until: "{% $tasks.ask.ready %}"
        maxIterations: 3
    - {taskId: after, parameters: {last: "{% $tasks.ask %}"}}
    """,
    more=NO_RETRIES,
)

LOOP_CASES = [
    Case(
        "a loop goes on until its condition holds, and each round is a task of its own",
        LOOP,
        agents={"ask": [{"ready": False}, {}, {"ready": True}], "after": ["done"]},
        sent=[
            *({"taskId": "ask", "index": [n], "parameters": {"round": n}} for n in range(3)),
            {"taskId": "after", "parameters": {"last": {"ready": True}}},
        ],
        output="done",
        entered=11,
    ),
    Case(
        "a loop that comes to its limit fails",
        LOOP,
        agents={"ask": [{}]},
        sent=asked("ask", "ask", "ask"),
        status="FAILED",
        error="LoopLimit",
        cause="'poll' was not done after 3 rounds",
    ),
    Case(
        "retries start afresh in each round",
        LOOP,
        agents={
            "ask": [Fails("AgentError"), {}, Fails("AgentError"), {"ready": True}],
            "after": ["done"],
        },
        sent=[
            *({"taskId": "ask", "retry": retry} for retry in (0, 1, 0, 1)),
            {"taskId": "after"},
        ],
        output="done",
    ),
    *(
        Case(
            f"the fallback of a loop takes {how}",
            template(
                """
                - taskId: poll
                  repeat:
                    tasks:
                      - {taskId: ask}
                      - {taskId: bad, choice: [{when: "{% $tasks.ask.bad %}", nextTaskId: stop}],
                          nextTaskId: null}
                      - {taskId: stop, fail: {error: Stopped, message: by us}}
                    until: "{% $tasks.ask.ready %}"
                    maxIterations: 2
                  fallback: {taskId: page}
                  nextTaskId: null
                - {taskId: page, parameters: {why: "{% $error %}"}}
                """,
                more=NO_RETRIES,
            ),
            agents={"ask": answers, "page": ["paged"]},
            sent=[
                *asked(*["ask"] * len(answers)),
                {"taskId": "page", "parameters": {"why": why}},
            ],
            output="paged",
        )
        for how, answers, why in (
            (
                "its limit",
                [{}, {}],
                {
                    "code": "LoopLimit",
                    "message": "'poll' was not done after 2 rounds",
                    "taskId": "poll",
                },
            ),
            (
                "a step that fails in it",
                [Fails("Boom", "it broke")],
                {"code": "Boom", "message": "it broke", "taskId": "ask"},
            ),
            (
                "a fail in it",
                [{"bad": True}],
                {"code": "Stopped", "message": "by us", "taskId": "stop"},
            ),
        )
    ),
    Case(
        "loops in loops, whose last step's result is theirs",
        template(
            """
            - taskId: outer
              repeat:
                tasks:
                  - taskId: inner
                    repeat:
                      tasks: [{taskId: draft}]
                      until: "{% $tasks.draft.done %}"
                until: "{% $tasks.inner.n > 2 %}"
            """,
            more=NO_RETRIES,
        ),
        agents={
            "draft": [
                {"n": 1},
                {"n": 2, "done": True},
                {"n": 3, "done": True},
            ]
        },
        sent=[
            {"taskId": "draft", "index": [0, 0]},
            {"taskId": "draft", "index": [0, 1]},
            {"taskId": "draft", "index": [1, 0]},
        ],
        output={"n": 3, "done": True},
    ),
    Case(
        "a loop in a map",
        template(
            """
            - taskId: each
              map:
                items: [a, b]
                tasks:
                  - taskId: poll
                    repeat:
                      tasks: [{taskId: ask, parameters: {of: "{% $item %}", n: "{% $index %}"}}]
                      until: "{% $index = 1 %}"
            """,
            more=NO_RETRIES,
        ),
        agents={"ask": ["x"]},
        sent=[
            {"taskId": "ask", "index": [0, 0], "parameters": {"of": "a", "n": 0}},
            {"taskId": "ask", "index": [0, 1], "parameters": {"of": "a", "n": 1}},
            {"taskId": "ask", "index": [1, 0], "parameters": {"of": "b", "n": 0}},
            {"taskId": "ask", "index": [1, 1], "parameters": {"of": "b", "n": 1}},
        ],
        at_once=True,
        output=["x", "x"],
    ),
]

OTHER_CASES = [
    Case(
        "waits, and variables that are all set from what was before",
        template(
            """
            - {taskId: pause, wait: "{% $input.pause %}"}
            - {taskId: past, wait: {until: "2020-01-01T00:00:00Z"}}
            - taskId: start
              set: {x: 1, y: "{% $input.name %}", list: [1, {deep: [2]}], none: null}
            - {taskId: swap, set: {x: "{% $x + 5 %}", y: "{% $y & $x %}"}}
            - taskId: use
              parameters: {x: "{% $x %}", y: "{% $y %}", list: "{% $list %}", none: "{% $none %}"}
            - {taskId: end, succeed: {result: {both: "{% [$x, $y] %}"}}}
            """
        ),
        payload={"pause": 1, "name": 'an "odd" \\ name'},
        agents={"use": [1]},
        sent=[
            {
                "taskId": "use",
                "parameters": {
                    "x": 6,
                    "y": 'an "odd" \\ name1',
                    "list": [1, {"deep": [2]}],
                    "none": None,
                },
            }
        ],
        output={"both": [6, 'an "odd" \\ name1']},
        entered=6,
    ),
    Case(
        "a template can fail by itself",
        template('- {taskId: no, fail: {error: Refused, message: "{% $input.why %}"}}'),
        payload={"why": "not today"},
        agents={},
        sent=[],
        status="FAILED",
        error="Refused",
        cause="not today",
    ),
    Case(
        "a step that makes nothing ends a session with null",
        template("- {taskId: pause, wait: 1s}"),
        agents={},
        sent=[],
        output=None,
        entered=1,
    ),
    Case(
        "a result that is no object",
        template("- {taskId: end, succeed: {result: [1, null, text]}}"),
        agents={},
        sent=[],
        output=[1, None, "text"],
    ),
    Case(
        "approvals, signals and children are asked like tasks, by messages of their own",
        template(
            """
            - taskId: approve
              approval: {prompt: "{% 'Apply ' & $input.n & '?' %}", timeout: 2h}
              fallback: {taskId: refused}
            - {taskId: paid, signal: {name: payment, timeout: 30m}}
            - taskId: child
              workflow: {id: other, version: 2, input: {by: "{% $tasks.approve.by %}"}}
            - {taskId: end, succeed: {result: "{% $tasks.child %}"}}
            - {taskId: refused, parameters: {why: "{% $error.message %}"}}
            """
        ),
        payload={"n": 2},
        agents={"approve": [{"by": "ann"}], "paid": [5], "child": [{"c": 1}]},
        sent=[
            {
                "kind": "approval",
                "taskId": "approve",
                "prompt": "Apply 2?",
                "timeout": 7200,
                "parameters": "absent",
                "index": [],
            },
            {"kind": "signal", "taskId": "paid", "signal": "payment", "timeout": 1800},
            {
                "kind": "workflow",
                "taskId": "child",
                "childWorkflowId": "other",
                "childVersion": 2,
                "input": {"by": "ann"},
                "timeout": 86400,
            },
        ],
        output={"c": 1},
    ),
    Case(
        "a rejected approval goes to its fallback at once",
        template(
            """
            - taskId: approve
              approval: "Go on?"
              retry: {maxRetries: 2}
              fallback: {taskId: refused}
            - {taskId: go, nextTaskId: null}
            - {taskId: refused, parameters: {why: "{% $error.message %}"}}
            """
        ),
        agents={"approve": [Fails("Rejected", "too risky")], "refused": ["r"]},
        sent=[
            {"taskId": "approve", "retry": 0},
            {"taskId": "refused", "parameters": {"why": "too risky"}},
        ],
        output="r",
    ),
]

STEP_CASES = [*CHOICE_CASES, *BRANCH_CASES, *MAP_CASES, *LOOP_CASES, *OTHER_CASES]

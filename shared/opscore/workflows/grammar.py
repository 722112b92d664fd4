"""The fields of a template, each with its shape and what it is for: one list for the reader, for
the JSON Schema that editors use, and for what they show.
"""

from __future__ import annotations

from typing import Any

from opscore.workflows.language import ALL_ERRORS, OWN_ERRORS
from opscore.workflows.names import MAX_NAME

Shape = dict[str, Any]
Fields = dict[str, Shape]

MAX_RETRIES = 1_000
MAX_STEPS = 2_000
MAX_BRANCHES = 40
MAX_ITEMS = 1_000_000
MAX_CONCURRENCY = 10_000
MAX_ITERATIONS = 5_000
DEFAULT_MAX_ITEMS = 100
DEFAULT_ITERATIONS = 10
DEFAULT_PRIORITY = 5
INLINE_CONCURRENCY = 40
"""Items of one map that Step Functions runs at once inside one execution."""

EXPRESSION: Shape = {
    "type": "string",
    "pattern": r"^\s*\{%[\s\S]*%\}\s*$",
    "description": "JSONata between {% and %}: $input, $tasks.<taskId>, $session, $item, $index,"
    " $error, and what `set` sets.",
}
_UNITS = r"(?=\S)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?"
DURATION: Shape = {
    "anyOf": [
        {
            "type": "string",
            "pattern": rf"^\s*({_UNITS}|[0-9]+|P[0-9A-Z]+)\s*$",
        },
        {"type": "integer", "minimum": 1},
    ]
}


def _ref(name: str) -> Shape:
    return {"$ref": f"#/$defs/{name}"}


def _about(description: str, shape: Shape, **more: Any) -> Shape:
    return {"description": description, **shape, **more}


def _text(description: str, longest: int = 256) -> Shape:
    scalar = {"type": ["string", "number"], "minLength": 1, "maxLength": longest}
    return _about(description, scalar)


def _or_expression(description: str, shape: Shape, **more: Any) -> Shape:
    return _about(description, {"anyOf": [shape, _ref("expression")]}, **more)


def _integer(description: str, low: int, high: int, **more: Any) -> Shape:
    return _about(description, {"type": "integer", "minimum": low, "maximum": high}, **more)


def _steps(description: str) -> Shape:
    return _about(description, _ref("steps"))


_OBJECT: Shape = {"type": "object"}
_ANY_TEXT: Shape = {"type": ["string", "number"]}
_SECONDS = _ref("duration")

RETRY: Fields = {
    "errors": _about(
        "Which errors the rule is for; all but those that repeating can't mend, by default.",
        {"anyOf": [_ref("error"), {"type": "array", "items": _ref("error"), "minItems": 1}]},
    ),
    "maxRetries": _integer(
        "Retries after the first attempt: 3 means four attempts.", 0, MAX_RETRIES, default=3
    ),
    "interval": _about("The pause before the first retry.", _SECONDS, default="2s"),
    "backoffRate": _about(
        "By what each further pause grows.",
        {"type": "number", "minimum": 1, "maximum": 100},
        default=2,
    ),
    "maxDelay": _about("The longest pause; longer than interval.", _SECONDS, default="1m"),
    "jitter": _about(
        "full: each pause is drawn from none to all of it, so that retries spread out.",
        {"enum": ["full", "none"]},
        default="full",
    ),
}

WHO: Fields = {
    "agentId": _or_expression("The one agent that does it.", _ANY_TEXT),
    "agentCapability": _or_expression(
        "What the agent must be able to do. Without it and agentId, the session's agent does it.",
        _ANY_TEXT,
    ),
}
_PARAMETERS = _or_expression("What the agent is given; expressions anywhere in it.", _OBJECT)
_OWN_RETRY = _about("When and how often a failed attempt is tried again.", _ref("retry"))

FALLBACK: Fields = {
    **WHO,
    "parameters": _PARAMETERS,
    "retry": _OWN_RETRY,
    "taskId": _about("The step of the same list to go on with; $error is there.", _ANY_TEXT),
    "result": {"description": "Stands for the step's result, as if it had not failed."},
}

FALLBACK_KINDS = (*WHO, "taskId", "result")

_TIMES: Fields = {
    "timeout": _or_expression(
        "How long one attempt may take, from its delivery to its outcome.", _SECONDS
    ),
    "waitTimeout": _or_expression("How long it may wait for a free agent.", _SECONDS),
    "heartbeat": _or_expression("How often its agent must be heard of.", _SECONDS),
    "priority": _or_expression(
        "Which task goes first when agents are few: 9 before 0.",
        {"type": "integer", "minimum": 0, "maximum": 9},
        default=DEFAULT_PRIORITY,
    ),
}

COMPENSATION: Fields = {
    "name": _or_expression("What people call it.", _ANY_TEXT),
    **WHO,
    "parameters": _PARAMETERS,
    "retry": _OWN_RETRY,
    **_TIMES,
}

_TASK_ID = _about(
    "The step's id, of its own in the whole template. In expressions, one that is no identifier"
    " stands in backquotes.",
    {"type": ["string", "number"], "minLength": 1, "maxLength": MAX_NAME},
)
_NAME = _or_expression("What people call it; its taskId, by default.", _ANY_TEXT)
NAMED: Fields = {
    "taskId": _TASK_ID,
    "name": _NAME,
    "nextTaskId": _about(
        "The step of the same list to go on with; null ends the list. The one below, by default.",
        {"type": ["string", "number", "null"]},
    ),
}
_FALLBACK = _about("What happens when the step has failed for good.", _ref("fallback"))
_GUARDED: Fields = {**NAMED, "retry": _OWN_RETRY, "fallback": _FALLBACK}
_COMPENSATE = _about(
    "What undoes the step, if it had completed and the session ends badly.", _ref("compensation")
)
_ANSWERED: Fields = {**_GUARDED, "compensate": _COMPENSATE}

TASK: Fields = {
    **_GUARDED,
    **WHO,
    "parameters": _PARAMETERS,
    **_TIMES,
    "resultSchema": _about(
        "JSON Schema of the result; one that does not fit is a failed attempt, InvalidResult.",
        _OBJECT,
    ),
    "compensate": _COMPENSATE,
}

_PATIENCE = _or_expression("How long the answer may take.", _SECONDS, default="1d")
APPROVAL: Fields = {
    "prompt": {"description": "What the person is asked; any JSON, with expressions in it."},
    "timeout": _PATIENCE,
}
SIGNAL: Fields = {
    "name": _or_expression("The signal's name.", _ANY_TEXT),
    "timeout": _PATIENCE,
}
CHILD: Fields = {
    "id": _or_expression("The workflow to run.", _ANY_TEXT),
    "version": _or_expression(
        "Its version; the current one, by default.", {"type": "integer", "minimum": 1}
    ),
    "input": _or_expression("What its session is started with.", _OBJECT),
    "timeout": _PATIENCE,
}
BRANCH: Fields = {"tasks": _steps("The branch's steps.")}
MAP: Fields = {
    "items": _or_expression("The list; the steps run once for each item.", {"type": "array"}),
    "maxItems": _integer("More items are an error.", 1, MAX_ITEMS, default=DEFAULT_MAX_ITEMS),
    "maxConcurrency": _integer(
        f"Items at once. More than {INLINE_CONCURRENCY} only where each has its own execution.",
        1,
        MAX_CONCURRENCY,
        default=INLINE_CONCURRENCY,
    ),
    "toleratedFailurePercentage": _integer(
        "How many items may fail; each is {failed: true, index, item, error} in the result.",
        0,
        100,
        default=0,
    ),
    "tasks": _steps("The steps for one item: $item, $index."),
}
REPEAT: Fields = {
    "tasks": _steps("The steps of one round; $index counts from 0."),
    "until": _about("Ends the loop once it is true, after a round.", _ref("expression")),
    "maxIterations": _integer(
        "Rounds before the error LoopLimit.", 1, MAX_ITERATIONS, default=DEFAULT_ITERATIONS
    ),
}
RULE: Fields = {
    "when": _about("Goes there if it is true. Without it: otherwise.", _ref("expression")),
    "nextTaskId": NAMED["nextTaskId"],
}
UNTIL: Fields = {
    "until": _or_expression("The time, as in 2026-11-24T09:00:00Z.", {"type": "string"})
}
FAIL: Fields = {
    "error": _about("The error's name.", _ref("error")),
    "message": _or_expression("What people read.", _ANY_TEXT),
}
SUCCEED: Fields = {"result": {"description": "The result; expressions anywhere in it."}}


KINDS: dict[str, Fields] = {
    "approval": {
        **_ANSWERED,
        "approval": _about(
            "Waits for a person's yes or no. A plain value is the prompt.",
            {"anyOf": [_ref("approval"), {"type": ["string", "number", "null"]}]},
        ),
    },
    "signal": {
        **_ANSWERED,
        "signal": _about(
            "Waits for a message to the session; its payload is the result.",
            {"anyOf": [_ref("signal"), _ANY_TEXT]},
        ),
    },
    "workflow": {
        **_ANSWERED,
        "workflow": _about(
            "Runs another workflow and waits for its result.",
            {"anyOf": [_ref("child"), _ANY_TEXT]},
        ),
    },
    "parallel": {
        **_GUARDED,
        "parallel": _about(
            "All branches at once; the result is the list of theirs.",
            {"type": "array", "items": _ref("branch"), "minItems": 1, "maxItems": MAX_BRANCHES},
        ),
    },
    "map": {**_GUARDED, "map": _about("The same steps for each item of a list.", _ref("map"))},
    "repeat": {
        **NAMED,
        "fallback": _FALLBACK,
        "repeat": _about("The same steps until something holds.", _ref("repeat")),
    },
    "choice": {
        **NAMED,
        "choice": _about(
            "The first rule that holds decides where to go on; nextTaskId where none does.",
            {"type": "array", "items": _ref("rule"), "minItems": 1},
        ),
    },
    "wait": {
        **NAMED,
        "wait": _about(
            "Waits: 5m, an expression of seconds, or {until: time}.",
            {"anyOf": [_ref("duration"), _ref("expression"), _ref("until")]},
        ),
    },
    "set": {
        **NAMED,
        "set": _about(
            "Gives variables their values; expressions call them $name.",
            {"type": "object", "minProperties": 1},
        ),
    },
    "fail": {
        "taskId": _TASK_ID,
        "name": _NAME,
        "fail": _about("Ends badly.", {"anyOf": [_ref("fail"), _ref("error")]}),
    },
    "succeed": {
        "taskId": _TASK_ID,
        "name": _NAME,
        "succeed": _about(
            "Ends the session, the branch or the item well.",
            {"anyOf": [_ref("succeed"), {"type": "null"}]},
        ),
    },
}
"""The fields of each kind of step, by the field that makes it that kind; none makes it a task."""

DEFAULTS: Fields = {
    "timeout": _about("Of every agent's task.", _SECONDS, default="10m"),
    "waitTimeout": _about("Of every agent's task.", _SECONDS, default="1h"),
    "retry": _about("Of every agent's task.", _ref("retry")),
}
WORKFLOW: Fields = {
    "id": _text("The workflow's id.", 128),
    "name": _text("What people call it."),
    "description": _about("What it is for.", {"type": "string", "maxLength": 4096}),
    "version": _text("Its author's label; Ops-Core counts versions itself."),
    "timeout": _about("Of a whole session.", _SECONDS),
    "input": _about("JSON Schema of what a session is started with.", _OBJECT),
    "defaults": _about("What holds for every agent's task.", _ref("defaults")),
    "tasks": _about("The steps.", {"type": "array", "items": _ref("step"), "maxItems": MAX_STEPS}),
    "onFailure": _steps("Steps to run when a session ends badly, whatever the reason."),
}

ERRORS = (ALL_ERRORS, *OWN_ERRORS)

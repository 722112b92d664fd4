"""Templates made to hurt: refused, or at least read, in bounded time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from opscore.workflows.checks import check
from opscore.workflows.findings import MAX_FINDINGS

SIZE = 250 * 1024
SECONDS = 10
"""Of processor time: far above what any of these takes, far below what an unbounded one would."""

PARAMETERS = "id: a\nname: a\ntasks:\n- taskId: a\n  parameters:\n"


def expression(text: str) -> str:
    return f"{PARAMETERS}    p: '{{% {text} %}}'\n"


def nest(depth: int, kind: str, inside: str) -> str:
    """Steps in steps, each after a choice with many ways to it."""
    tasks = "[{taskId: leaf}]"
    for n in range(depth):
        rules = f'{{when: "{{% $input.x %}}", nextTaskId: s{n}}}, ' * 200
        choice = f"{{taskId: c{n}, choice: [{rules}]}}"
        tasks = f"[{choice}, {{taskId: s{n}, {kind}: {{{inside}, tasks: {tasks}}}}}]"
    return f"id: a\nname: a\ntasks: {tasks}\n"


REFUSED = {
    "maps in maps": (nest(9, "map", 'items: "{% $input %}", maxItems: 1000000'), "OC041"),
    "loops in loops": (nest(9, "repeat", 'until: "{% $input %}", maxIterations: 5000'), "OC035"),
    "open lists": ("[" * SIZE, "OC004"),
    "open JSON": ('{"a":' * (SIZE // 5), "OC004"),
    "dashes": ("- " * (SIZE // 2), "OC004"),
    "many keys": ("".join(f"k{n}: 1\n" for n in range(25_000)), "OC011"),
    "one long key": (f"{'x' * SIZE}: 1", "OC003"),
    "aliases that multiply": (
        "k0: &a0 x\n" + "".join(f"k{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30)),
        "OC002",
    ),
    "a number without end": (f"a: {'9' * SIZE}", "OC010"),
    "many tasks": ("id: a\nname: a\ntasks:\n" + "- {taskId: a}\n" * 18_000, "OC014"),
    "thousands of typos": (
        "id: a\nname: a\ntasks:\n"
        + "".join(f"- {{taskId: task-{n}, nextTaskId: tsak-{n}}}\n" for n in range(2000)),
        "OC012",
    ),
    "a loop of thousands": (
        "id: a\nname: a\ntasks:\n"
        + "".join(
            f"- {{taskId: t{n}, fallback: {{taskId: t{n * 7 % 1900}}}}}\n" for n in range(1900)
        ),
        "OC034",
    ),
    "one expression, many times": (
        'id: a\nname: a\nx-e: &e "{% '
        + "1 + " * 1900
        + '1 %}"\ntasks: [{taskId: a, parameters: {a: ['
        + "*e, " * 60
        + "1]}}]",
        "OC002",
    ),
    "a long expression": (expression("1+" * 7000 + "1"), "OC020"),
    "a nest of ?:": (expression("(" * 900 + "1" + "?:1)" * 900), "OC020"),
    "a nest of ??": (expression("(" * 900 + "1" + "??1)" * 900), "OC020"),
    "control characters": ("a: \0\x01", "OC003"),
}
ACCEPTED = {
    "many expressions": PARAMETERS + "".join(f"    p{n}: '{{%1%}}'\n" for n in range(11_000)),
    "parentheses": expression("(" * 1900 + "1" + ")" * 1900),
    "functions": expression("function($x){" * 400 + "1" + "}" * 400),
    "conditions": expression("1?" * 900 + "1" + ":1" * 900),
    "a path": expression("$input" + ".a" * 1900),
    "parents": expression("$input" + ".a" * 900 + ".%" * 900),
    "a regular expression": expression("/" + "(a{1,999}){1,999}" * 100 + "/"),
}


def variables(setters: int, expressions: int, *, inside: bool) -> dict[str, Any]:
    """Many steps that set the same variables, and many places that read one of them."""
    steps: list[dict[str, Any]] = [
        {"taskId": f"s{n}", "set": {f"a{i}": 1 for i in range(10)}} for n in range(setters)
    ]
    if inside:
        steps = [{"taskId": "m", "map": {"items": [1], "tasks": steps}}]
    read = "{% " + "+".join(["$a0"] * 1000) + " %}"
    steps += [{"taskId": f"r{n}", "wait": read} for n in range(expressions)]
    return {"id": "a", "name": "a", "tasks": steps}


LARGE = {
    "variables set again and again": variables(1000, 20, inside=False),
    "variables that are not seen": variables(1000, 20, inside=True),
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE)
def test_large_templates_take_bounded_time(data: dict[str, Any]) -> None:
    start = time.process_time()

    checked = check(data)

    assert (checked.workflow is None) == bool(checked.errors)
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize(("source", "code"), REFUSED.values(), ids=REFUSED)
def test_hostile_templates_are_refused(source: str, code: str) -> None:
    start = time.process_time()

    errors = check(source).errors

    assert code in {finding.code for finding in errors}
    assert len(errors) <= MAX_FINDINGS
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
def test_strange_expressions_take_bounded_time(source: str) -> None:
    start = time.process_time()

    checked = check(source)

    assert (checked.workflow is None) == bool(checked.errors)
    assert time.process_time() - start < SECONDS

"""What expressions refer to: found in the tree, replaced by position, scoped as in JSONata."""

from __future__ import annotations

import json

import pytest

from opscore.workflows.checks import check
from opscore.workflows.compiler import compile_workflow
from tests.unit.workflows.pairs import QUEUE_URL

INPUT = "$states.context.Execution.Input.input"


def compiled(source: str) -> str:
    reader = {"taskId": "c", "parameters": {"x": f"{{% {source} %}}"}}
    template = {"id": "w", "name": "W", "tasks": [{"taskId": "a"}, {"taskId": "b-2"}, reader]}
    machine = json.loads(compile_workflow(check(template).require(), QUEUE_URL))
    text: str = machine["States"]["c"]["Arguments"]["MessageBody"]["parameters"]["x"]
    return text.removeprefix("{% ").removesuffix(" %}")


def codes(source: str) -> list[str]:
    reader = {"taskId": "c", "parameters": {"x": f"{{% {source} %}}"}}
    template = {"id": "w", "name": "W", "tasks": [{"taskId": "a"}, {"taskId": "b-2"}, reader]}
    return [finding.code for finding in check(template).errors]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("$tasks.a", "$t_a"),
        ("$tasks . a", "$t_a"),
        ("$tasks./* why */a.x", "$t_a.x"),
        ("$tasks.`b-2`.x", "$t_b_2d_2.x"),
        ("$tasks.'b-2'", "$t_b_2d_2"),
        ('$tasks."b-2"', "$t_b_2d_2"),
        ("$tasks.a[$tasks.`b-2` > 1]", "$t_a[$t_b_2d_2 > 1]"),
        ("$tasks.a.x[y = $tasks.a.z][0]", "$t_a.x[y = $t_a.z][0]"),
        ("$tasks.a{x: $tasks.`b-2`}", "$t_a{x: $t_b_2d_2}"),
        ("$tasks.a^(>x, $tasks.a.y)", "$t_a^(>x, $t_a.y)"),
        ("[1..$tasks.a]", "[1..$t_a]"),
        ("{$tasks.a: $tasks.a}", "{$t_a: $t_a}"),
        ("-$tasks.a", "-$t_a"),
        ("$tasks.a ~> $sum()", "$t_a ~> $sum()"),
        ("$tasks.a ~> |x|{'y': $tasks.a}, ['z']|", "$t_a ~> |x|{'y': $t_a}, ['z']|"),
        ("$tasks.a ? $tasks.a : $tasks.a", "$t_a ? $t_a : $t_a"),
        ("function($v) { $v & $tasks.a }(1)", "function($v) { $v & $t_a }(1)"),
        ("λ($v) { $tasks.a }(1)", "λ($v) { $t_a }(1)"),
        (
            "($f := function($n) { $f($n - 1) }; $f($tasks.a))",
            "($f := function($n) { $f($n - 1) }; $f($t_a))",
        ),
        ("$substring(?, $tasks.a)('x')", "$substring(?, $t_a)('x')"),
        (
            "$input.xs@$v.ys#$i[$i < $v.n].{'v': $v, 'i': $i}",
            f"{INPUT}.xs@$v.ys#$i[$i < $v.n].{{'v': $v, 'i': $i}}",
        ),
        ("$input.a.b.%.c", f"{INPUT}.a.b.%.c"),
        ("$map($input, $string)", f"$map({INPUT}, $string)"),
        (
            "$input & '$tasks.a $input' & /* $input */ 1",
            f"{INPUT} & '$tasks.a $input' & /* $input */ 1",
        ),
        ("$match('$tasks.a', /\\$tasks.a/)", "$match('$tasks.a', /\\$tasks.a/)"),
        ("$input.`$tasks`.tasks.a", f"{INPUT}.`$tasks`.tasks.a"),
        ("$error('stop')", "$error('stop')"),
        ("$input.(x & $)", f"{INPUT}.(x & $)"),
        ("$now() & $uuid()", "$now() & $uuid()"),
    ],
)
def test_names_are_replaced_and_nothing_else(source: str, wanted: str) -> None:
    assert compiled(source) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("($a := 1; 1) & $a", ["OC021"]),
        ("function($v) { 1 }(1) & $v", ["OC021"]),
        ("$input.xs#$i.x & $i", ["OC021"]),
        ("$input.xs@$v.x & $v", ["OC021"]),
        ("($a := $b; $b := 1)", ["OC021"]),
        ("$input.xs[$tasks.d]", ["OC023"]),
        ("$tasks.a[$tasks.d]", ["OC023"]),
        ("$tasks.a{'x': $tasks.d}", ["OC023"]),
        ("$input.x.y[z].($tasks.d)", ["OC023"]),
        ("function($input) { 1 }", ["OC027"]),
        ("$input.xs@$t_a.x", ["OC027"]),
        ("$input.xs#$error", ["OC027"]),
        ("a.b", ["OC026"]),
        ("**.b", ["OC026"]),
        ("[a, 'b']", ["OC026"]),
        ("{'k': v}", ["OC026"]),
        ("$count(xs)", ["OC026"]),
        ("$map($input.xs, function($v) { x })", ["OC026"]),
        ("$tasks^(x)", ["OC022"]),
        ("$tasks.(a)", ["OC022"]),
        ("$lookup($tasks, 'a')", ["OC022"]),
        ("$input.x; 1", ["OC020"]),
        ("$x($input)", ["OC021"]),
    ],
)
def test_names_are_there_only_where_jsonata_has_them(source: str, wanted: list[str]) -> None:
    assert codes(source) == wanted


def test_one_parse_leaves_nothing_for_the_next() -> None:
    source = "$input.a.b[%.x = %.y]"

    assert {tuple(codes(source)) for _ in range(3)} == {()}
    assert codes("$input.a.%.%.%.%") != []
    assert codes(source) == []


@pytest.mark.parametrize("text", [" {% $input.x %} ", "{%$input.x%}", "\n{%\n  $input.x\n%}\n"])
def test_white_space_around_an_expression_does_not_count(text: str) -> None:
    template = {"id": "w", "name": "W", "tasks": [{"taskId": "a", "parameters": {"x": text}}]}

    machine = json.loads(compile_workflow(check(template).require(), QUEUE_URL))

    body = machine["States"]["a"]["Arguments"]["MessageBody"]
    assert body["parameters"]["x"] == f"{{% {INPUT}.x %}}"


@pytest.mark.parametrize(
    "line", ["x: '{% $nope %}'", 'x: "{%   $nope %}"', "x: {% $nope %}x", '"x": "{%$nope%}"']
)
def test_a_finding_points_at_the_name_itself(line: str) -> None:
    template = f"id: w\nname: W\ntasks:\n- taskId: a\n  parameters:\n    {line}\n"

    found = [f for f in check(template).errors if f.code == "OC021"]

    for finding in found:
        assert (finding.line, finding.column) == (6, 5 + line.index("$nope"))
    assert bool(found) == line.endswith(("'", '"'))


def test_a_finding_in_an_expression_of_many_lines_points_at_its_start() -> None:
    template = (
        "id: w\nname: W\ntasks:\n- taskId: a\n  parameters:\n    x: |\n      {%\n      $nope %}\n"
    )

    [finding] = check(template).errors

    assert (finding.code, finding.line, finding.column) == ("OC021", 6, 8)

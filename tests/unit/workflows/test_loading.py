from __future__ import annotations

from typing import Any

import pytest

from opscore.workflows.checks import check
from opscore.workflows.findings import Report
from opscore.workflows.loader import MAX_BYTES, load
from opscore.workflows.nodes import Mapping, Scalar, Sequence, to_data


def data(source: Any) -> Any:
    report = Report()
    node = load(source, report)
    assert report.errors == []
    assert node is not None
    return to_data(node)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2026-11-22", "2026-11-22"),
        ("12:30", "12:30"),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("-1.5e3", -1500.0),
        (".5", 0.5),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("'5'", "5"),
        ("1_000", "1_000"),
        ("=", "="),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, value: Any) -> None:
    found = data(f"a: {text}")["a"]

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "source",
    [
        '{"a": {"b": [1, "x", null, true, -1.5e-3, {}]}}',
        b'\xef\xbb\xbf{"a": {"b": [1, "x", null, true, -1.5e-3, {}]}}',
        '{\n\t"a" : {"b":[1,"x",null,true,-0.0015,{ } ]}\r\n}',
        "a: {b: [1, x, ~, true, -1.5e-3, {}]}",
        "a:\n  b:\n  - 1\n  - 'x'\n  -\n  - true\n  - -0.0015\n  - {}\n",
        {"a": {"b": (1, "x", None, True, -0.0015, {})}},
    ],
)
def test_the_same_in_every_form(source: Any) -> None:
    assert data(source) == {"a": {"b": [1, "x", None, True, -0.0015, {}]}}


def test_json_escapes_are_jsons() -> None:
    assert data('{"a": "\\ud83d\\ude00 \\/ \\" \\u00e9"}') == {"a": '\U0001f600 / " é'}


@pytest.mark.parametrize(
    "text", ['{"a": [\n  {"key": 1}]}', "a: [\n  {key: 1}]", 'a:\n - {"key": 1}\n']
)
def test_values_know_where_they_stood(text: str) -> None:
    root = load(text, Report())
    assert isinstance(root, Mapping)
    [(_, items)] = root.entries
    assert isinstance(items, Sequence)
    [item] = items.items
    assert isinstance(item, Mapping)
    [(key, value)] = item.entries
    assert isinstance(value, Scalar)

    line = text.splitlines()[(value.line or 0) - 1]
    assert line[(value.column or 0) - 1] == "1"
    assert line[(key.column or 0) - 1 :].lstrip('"').startswith("key")
    assert key.line == value.line == item.line == 2


def test_aliases_repeat_what_they_stand_for() -> None:
    assert data("a: &x {n: [1]}\nb: *x\nc: [*x, *x]") == {
        "a": {"n": [1]},
        "b": {"n": [1]},
        "c": [{"n": [1]}, {"n": [1]}],
    }


def test_aliases_nest_no_deeper_than_what_they_stand_for() -> None:
    deep = f"a: &x {'[' * 30}{']' * 30}\nb: "

    codes = [
        {finding.code for finding in check(f"{deep}{'[' * more}*x{']' * more}").errors}
        for more in (5, 15)
    ]

    assert "OC004" not in codes[0]
    assert codes[1] == {"OC004"}


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 10 * MAX_BYTES])
def test_what_is_too_large_is_not_read(size: int) -> None:
    for source in ("#" * size, b"#" * size, "é" * (size // 2 + 1)):
        [finding] = check(source).errors
        assert finding.code == "OC002"


@pytest.mark.parametrize("source", ["", "# only a comment", "null", "[]", "text", 5, None, []])
def test_a_template_is_an_object(source: Any) -> None:
    [finding] = check(source).errors

    assert finding.code == "OC013"


def test_data_that_is_not_json_is_refused() -> None:
    [finding] = check({"id": {1, 2}}).errors

    assert finding.message == "a value of type set is not JSON"


def test_findings_on_data_tell_the_path() -> None:
    source = {"id": "a", "name": "a", "tasks": [{"taskId": "a", "retry": [{"maxRetries": -1}]}]}

    [finding] = check(source).errors

    assert finding.as_dict() == {
        "code": "OC014",
        "message": "maxRetries must be from 0 to 1000",
        "hint": "",
        "line": None,
        "column": None,
        "path": "tasks[0].retry[0].maxRetries",
    }

"""Schemas are held against values exactly, say where, and cost little whoever wrote them."""

from __future__ import annotations

from typing import Any

import pytest

from opscore.workflows.schema_bounds import MAX_FAULTS
from opscore.workflows.schemas import MAX_BYTES, faults, schema_faults

TEXT: dict[str, Any] = {"type": "string"}
ALERT = {
    "type": "object",
    "required": ["alert"],
    "properties": {"alert": {"$ref": "#/$defs/alert"}, "tags": {"type": "array", "items": TEXT}},
    "$defs": {"alert": {"type": "object", "properties": {"level": {"minimum": 1, "maximum": 5}}}},
}


def nested(keyword: str, levels: int, innermost: Any = True) -> Any:
    schema = innermost
    for _ in range(levels):
        schema = {keyword: [schema], "unevaluatedProperties": False}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """Each definition has the next one twice."""
    steps = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**steps, f"d{levels}": TEXT}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (True, {"any": "thing"}),
        ({}, None),
        (ALERT, {"alert": {"level": 3}, "tags": ["a"], "more": 1}),
        ({"prefixItems": [TEXT], "items": False}, ["a"]),
        ({"type": "integer"}, 10**400),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:x"}, 1),
        ({"properties": {"$ref": TEXT, "const": TEXT}}, {"$ref": "a", "const": "b"}),
        ({"format": "email"}, "not an address: formats are remarks"),
    ],
)
def test_what_fits_has_no_faults(schema: Any, value: Any) -> None:
    assert (schema_faults(schema), faults(schema, value)) == ([], [])


def test_every_fault_of_a_value_is_told_with_its_place_and_without_the_value() -> None:
    value = {"alert": {"level": 99}, "tags": ["a", {"secret": "x"}]}

    told = [fault.at("input") for fault in faults(ALERT, value)]

    assert told == [
        "input.alert.level: the value is greater than the maximum of 5",
        'input.tags[1]: the value is not of type "string"',
    ]


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (ALERT, {}, 'result: "alert" is a required property'),
        (ALERT, None, 'result: the value is not of type "object"'),
        (False, 1, "result: False schema does not allow the value"),
        ({"enum": ["a", "b"]}, "c", 'result: the value is not one of "a" or "b"'),
        ({"pattern": "^a+$"}, "b", 'result: the value does not match "^a+$"'),
    ],
)
def test_a_fault_reads_well(schema: Any, value: Any, expected: str) -> None:
    assert [fault.at("result") for fault in faults(schema, value)] == [expected]


def test_of_very_many_faults_some_are_told() -> None:
    assert len(faults({"items": TEXT}, [1] * 1000)) == MAX_FAULTS
    assert len(faults({"items": TEXT}, [1] * 32_000)) == 1


@pytest.mark.parametrize(
    ("schema", "path", "said"),
    [
        (5, "", "a schema is an object, true or false"),
        ({"type": "text"}, ".type", "not valid"),
        ({"properties": {"a": {"minimum": "1"}}}, ".properties.a.minimum", "number"),
        ({"pattern": "("}, ".pattern", "no regular expression"),
        ({"properties": {"a": {"pattern": "(?=x)"}}}, ".properties.a.pattern", "looks around"),
        ({"pattern": "(a{900}){900}"}, ".pattern", "too large"),
        ({"$ref": "https://example.com/schema"}, ".$ref", "#/ and the place"),
        ({"$ref": "file:///etc/passwd"}, ".$ref", "#/ and the place"),
        ({"$ref": "#/$defs/none"}, ".$ref", "#/ and the place"),
        ({"$ref": "#name"}, ".$ref", "#/ and the place"),
        ({"$defs": {"a%62": TEXT}, "$ref": "#/$defs/a%62"}, ".$ref", "#/ and the place"),
        ({"$ref": "#"}, ".$ref", "can't contain itself"),
        ({"items": {"$ref": "#"}}, ".items.$ref", "can't contain itself"),
        ({"$dynamicRef": "#x"}, "", "$dynamicRef"),
        ({"items": {"$id": "urn:x"}}, ".items", "$id"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, ".$schema", "only"),
        ({"enum": ["\ud800"]}, "", "JSON"),
        ({"enum": [float("nan")]}, "", "JSON"),
        ({"description": "x" * MAX_BYTES}, "", "bytes"),
    ],
)
def test_a_schema_that_is_none_is_refused_with_the_place(schema: Any, path: str, said: str) -> None:
    found = schema_faults(schema)

    assert found
    assert said in " ".join(fault.message for fault in found)
    assert found[0].at("schema").startswith(f"schema{path}:")
    assert "can't be used" in faults(schema, {})[0].message


@pytest.mark.parametrize(
    "schema",
    [
        doubling(25),
        nested("allOf", 30),
        doubling(5) | {"allOf": [{"$ref": "#/$defs/d0"}] * 20},
        nested("anyOf", 100),
        {"oneOf": [{"const": n} for n in range(600)]},
    ],
    ids=["doubling", "looking again", "many", "deep", "wide"],
)
def test_a_schema_that_makes_too_much_work_is_refused(schema: Any) -> None:
    found = schema_faults(schema)

    assert "checks" in found[0].message or "deeper" in found[0].message


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a|aa)+$"}, "a" * 65_000 + "b"),
        ({"pattern": "^(x+x+)+y$"}, "x" * 65_000),
        ({"items": {"oneOf": [{"const": n} for n in range(450)]}}, [1] * 32_000),
        ({"propertyNames": {"allOf": [{"pattern": f"a{{{n}}}x"} for n in range(99)]}},
         {f"a{n}": n for n in range(6000)}),
        (nested("allOf", 6), {str(n): n for n in range(6000)}),
    ],
    ids=["alternatives", "repetitions", "many alternatives", "many names", "looking again"],
)  # fmt: skip
def test_a_value_that_would_take_long_is_refused_at_once(schema: Any, value: Any) -> None:
    assert schema_faults(schema) == []
    assert len(faults(schema, value)) == 1

"""Whatever a request carries is read or refused with what, where and how; never a failure."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from opscore.errors import Malformed, PayloadTooLarge
from opscore.http.requests import (
    MAX_DEPTH,
    Paging,
    body,
    bounded,
    idempotency_key,
    optional_body,
    parse_json,
    path_id,
    query,
    raw_body,
)
from opscore.models.limits import MAX_BODY_BYTES, MAX_PAYLOAD_BYTES


class Thing(BaseModel):
    name: str
    size: int = 0


def event(text: str | bytes | None = None, **more: Any) -> APIGatewayProxyEventV2:
    if isinstance(text, bytes):
        text = base64.b64encode(text).decode()
        more["isBase64Encoded"] = True
    return APIGatewayProxyEventV2({"body": text, "headers": {}, **more})


def fault_of(refusal: pytest.ExceptionInfo[Malformed]) -> dict[str, Any]:
    """The one fault that a refusal lists."""
    faults: Any = refusal.value.detail
    (fault,) = faults
    assert set(fault) == {"type", "loc", "msg", "input"}
    return dict(fault)


# ---- bytes


def test_a_body_comes_as_its_bytes_plain_or_in_base64() -> None:
    assert raw_body(event("é")) == "é".encode()
    assert raw_body(event(b"\xff\x00")) == b"\xff\x00"
    assert raw_body(event()) == b""


@pytest.mark.parametrize("text", ["not base64!", "a", "ü", "YQ=="[:3]])
def test_base64_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        raw_body(event(text, isBase64Encoded=True))


def test_half_a_surrogate_pair_in_the_body_is_refused() -> None:
    with pytest.raises(Malformed):
        raw_body(event("\ud800"))


def test_a_body_is_taken_up_to_its_limit_in_bytes() -> None:
    assert len(raw_body(event("é" * (MAX_BODY_BYTES // 2)))) == MAX_BODY_BYTES
    with pytest.raises(PayloadTooLarge):
        raw_body(event("é" * (MAX_BODY_BYTES // 2) + "x"))
    with pytest.raises(PayloadTooLarge):
        raw_body(event(b"x" * (MAX_BODY_BYTES + 1)))


# ---- JSON


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"\xff{}", "not UTF-8 at byte 0"),
        (b'{"a": "\xc3"}', "not UTF-8 at byte 7"),
        (b"NaN", "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b"1e999", "not JSON"),
        (b"9" * 5_000, "not JSON"),
        (rb'"\ud800"', "half a surrogate pair"),
        (b"[" * 50_000, "nested too deeply"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64 levels"),
    ],
    ids=range(12),
)
def test_what_is_no_json_is_refused(raw: bytes, complaint: str) -> None:
    with pytest.raises(Malformed) as refusal:
        parse_json(raw)

    assert complaint in fault_of(refusal)["msg"]


def test_nesting_is_taken_up_to_its_limit() -> None:
    raw = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH

    assert json.dumps(parse_json(raw)).encode() == raw


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        value = parse_json(raw)
    except Malformed:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def test_a_body_is_read_into_its_model() -> None:
    assert body(Thing, event('{"name": "x", "other": 1}')) == Thing(name="x")


def test_every_fault_of_a_body_is_listed() -> None:
    with pytest.raises(Malformed) as refusal:
        body(Thing, event('{"size": "big"}'))

    faults = refusal.value.detail
    assert [(f["type"], f["loc"]) for f in faults if isinstance(f, dict)] == [
        ("missing", ["body", "name"]),
        ("int_parsing", ["body", "size"]),
    ]


@pytest.mark.parametrize("text", ["[]", "null", "1", '"x"', "true"])
def test_a_body_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        body(Thing, event(text))


def test_a_fault_shows_no_more_of_a_long_input_than_tells_it_apart() -> None:
    with pytest.raises(Malformed) as refusal:
        body(Thing, event(json.dumps({"name": ["x" * 10_000]})))

    assert len(fault_of(refusal)["input"]) == 201


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_where_a_body_may_be_left_out_nothing_is_an_empty_object(text: str | None) -> None:
    assert optional_body(Paging, event(text)) == Paging()


def test_where_a_body_may_be_left_out_a_bad_one_is_still_refused() -> None:
    with pytest.raises(Malformed):
        optional_body(Paging, event("{"))


# ---- path, headers, query


@pytest.mark.parametrize("text", ["a", "loadtest-agent-0001", "ä", "a.b:c@d", "x" * 128])
def test_an_id_is_taken(text: str) -> None:
    assert path_id(event(pathParameters={"agentId": text}), "agentId") == text


@pytest.mark.parametrize(
    "text", ["", ".", "..", " ", "a b", "a/b", "a#b", "a?b", "a\n", "\x00", "a\x7f", "x" * 129]
)
def test_an_id_that_is_empty_huge_or_holds_separators_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as refusal:
        path_id(event(pathParameters={"agentId": text}), "agentId")

    assert fault_of(refusal)["loc"] == ["path.agentId"]


def test_a_missing_path_parameter_is_refused() -> None:
    with pytest.raises(Malformed):
        path_id(event(), "agentId")


def test_an_idempotency_key_is_taken_from_its_header() -> None:
    assert idempotency_key(event(headers={"idempotency-key": "k"})) == "k"
    assert idempotency_key(event()) is None


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_that_is_empty_or_huge_is_refused(key: str) -> None:
    with pytest.raises(Malformed):
        idempotency_key(event(headers={"idempotency-key": key}))


@pytest.mark.parametrize("limit", ["0", "-1", "201", "ten", "1.5", "", "9" * 30])
def test_a_limit_out_of_bounds_is_refused(limit: str) -> None:
    with pytest.raises(Malformed) as refusal:
        query(Paging, event(queryStringParameters={"limit": limit}))

    assert fault_of(refusal)["loc"] == ["query", "limit"]


def test_a_list_without_a_query_is_its_first_page() -> None:
    assert query(Paging, event()) == Paging(limit=50, cursor=None)


def test_a_payload_is_taken_up_to_its_limit_in_bytes_of_json() -> None:
    room = MAX_PAYLOAD_BYTES - len('{"a":""}')

    assert bounded({"a": "x" * room}, "details")
    with pytest.raises(PayloadTooLarge, match="details"):
        bounded({"a": "x" * (room + 1)}, "details")
    with pytest.raises(PayloadTooLarge):
        bounded({"a": "é" * (room // 2 + 1)}, "details")

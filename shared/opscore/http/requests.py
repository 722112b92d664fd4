"""What a request carries, read into models; whatever does not fit says what, where and how."""

from __future__ import annotations

import base64
import json
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from opscore.errors import Malformed, PayloadTooLarge
from opscore.models.limits import MAX_BODY_BYTES, MAX_PAYLOAD_BYTES, Id
from opscore.records.codec import text
from opscore.records.paging import DEFAULT_LIMIT, MAX_LIMIT

M = TypeVar("M", bound=BaseModel)
E = TypeVar("E", bound=StrEnum)

SHOWN_INPUT = 200
MAX_DEPTH = 64


def raw_body(event: APIGatewayProxyEventV2) -> bytes:
    """The body's bytes as they came. Raises PayloadTooLarge, Malformed."""
    body = event.body or ""
    try:
        raw = (
            base64.b64decode(body, validate=True)
            if event.is_base64_encoded
            else body.encode("utf-8")
        )
    except ValueError:
        raise Malformed("the body can't be decoded") from None
    if len(raw) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"the body has {len(raw)} bytes; at most {MAX_BODY_BYTES} are taken")
    return raw


def parse_json(raw: bytes) -> Any:
    """JSON as the standard has it: no NaN, no bytes that are no UTF-8, no bottomless nesting.

    Raises Malformed.
    """
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
        # What can't be written again as JSON in UTF-8 (half a surrogate pair; 1e999, which is read
        # as infinity) can't be stored either.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(_fault("json_invalid", f"not UTF-8 at byte {error.start}")) from None
    except UnicodeEncodeError:
        raise Malformed(_fault("json_invalid", "half a surrogate pair in a text")) from None
    except RecursionError:
        raise Malformed(_fault("json_invalid", "nested too deeply")) from None
    except ValueError as error:
        raise Malformed(_fault("json_invalid", f"not JSON: {error}")) from None
    if _deeper_than(value, MAX_DEPTH):
        raise Malformed(_fault("json_invalid", f"nested deeper than {MAX_DEPTH} levels"))
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return any(isinstance(item, dict | list) for item in level)


def _fault(kind: str, message: str) -> list[dict[str, Any]]:
    return [{"type": kind, "loc": ["body"], "msg": message, "input": None}]


def parsed(model: type[M], value: Any) -> M:
    """The model of a JSON value. Raises Malformed, listing every fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Malformed(faults(error, "body")) from None


def body(model: type[M], event: APIGatewayProxyEventV2) -> M:
    """The request's body as a model. Raises PayloadTooLarge, Malformed."""
    return parsed(model, parse_json(raw_body(event)))


def optional_body(model: type[M], event: APIGatewayProxyEventV2) -> M:
    """Like `body`; no body at all counts as an empty object."""
    raw = raw_body(event)
    return parsed(model, parse_json(raw) if raw.strip() else {})


def faults(error: ValidationError, where: str) -> list[dict[str, Any]]:
    """Pydantic's faults as `{type, loc, msg, input}`; long inputs are cut."""
    return [
        {
            "type": fault["type"],
            "loc": [where, *fault["loc"]],
            "msg": fault["msg"],
            "input": _shown(fault["input"]),
        }
        for fault in error.errors(include_url=False, include_context=False)
    ]


def _shown(value: Any) -> Any:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return value if len(shown) <= SHOWN_INPUT else shown[:SHOWN_INPUT] + "…"


_IDS: TypeAdapter[str] = TypeAdapter(Id)


def path_id(event: APIGatewayProxyEventV2, name: str) -> str:
    """An id from the path. Raises Malformed."""
    try:
        return _IDS.validate_python((event.path_parameters or {}).get(name, ""))
    except ValidationError as error:
        raise Malformed(faults(error, f"path.{name}")) from None


def path_choice(choices: type[E], event: APIGatewayProxyEventV2, name: str) -> E:
    """One of a few words from the path. Raises Malformed."""
    try:
        return TypeAdapter(choices).validate_python((event.path_parameters or {}).get(name))
    except ValidationError as error:
        raise Malformed(faults(error, f"path.{name}")) from None


def caller(event: APIGatewayProxyEventV2) -> str | None:
    """The name of the key that the request came with, as the authorizer found it."""
    authorizer = event.raw_event.get("requestContext", {}).get("authorizer") or {}
    context = authorizer.get("lambda") or {}
    name = context.get("name") or context.get("keyId")
    return name if isinstance(name, str) else None


_KEYS: TypeAdapter[str] = TypeAdapter(Annotated[str, Field(min_length=1, max_length=255)])


def idempotency_key(event: APIGatewayProxyEventV2) -> str | None:
    """The Idempotency-Key header, if there is one. Raises Malformed."""
    key = event.headers.get("idempotency-key")
    if key is None:
        return None
    try:
        return _KEYS.validate_python(key)
    except ValidationError as error:
        raise Malformed(faults(error, "header.Idempotency-Key")) from None


class Paging(BaseModel):
    """`?limit=&cursor=` of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str, Field(max_length=4096)] | None = None


def query(model: type[M], event: APIGatewayProxyEventV2) -> M:
    """The query string as a model. Raises Malformed."""
    try:
        return model.model_validate(event.query_string_parameters or {})
    except ValidationError as error:
        raise Malformed(faults(error, "query")) from None


def bounded(value: Any, name: str) -> Any:
    """The payload, if it is small enough to travel through a workflow. Raises PayloadTooLarge."""
    size = len(text(value).encode())
    if size > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(
            f"{name} has {size} bytes as JSON; at most {MAX_PAYLOAD_BYTES} are taken"
        )
    return value

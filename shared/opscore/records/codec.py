"""Models as flat items and back.

Strings, whole numbers and booleans are attributes as they are, so that conditions and people can
read them. Everything else is JSON text: what agents send (fractions, nulls, empty texts, any
nesting) comes back as it came, which DynamoDB's own types do not promise.
"""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from opscore.ports import Item, Scalar

M = TypeVar("M", bound=BaseModel)


def _is_plain(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return all(a is NoneType or _is_plain(a) for a in get_args(annotation))
    return annotation in (str, int, bool) or (
        isinstance(annotation, type) and issubclass(annotation, StrEnum)
    )


def _takes_none(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation)


@cache
def _fields(model: type[BaseModel]) -> dict[str, tuple[str, bool]]:
    return {
        name: (field.alias or name, _is_plain(field.annotation))
        for name, field in model.model_fields.items()
    }


@cache
def _nullable(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(
        field.alias or name
        for name, field in model.model_fields.items()
        if _takes_none(field.annotation)
    )


def encode(value: BaseModel) -> dict[str, Scalar]:
    """The model's fields as attributes; None is no attribute."""
    dumped = value.model_dump(mode="json", by_alias=True)
    return {
        alias: dumped[alias] if plain else text(dumped[alias])
        for alias, plain in _fields(type(value)).values()
        if dumped[alias] is not None
    }


def decode(model: type[M], item: Item) -> M:
    """The model of an item; attributes that it does not know are left out. One that is absent was
    None, whatever a new model's default is.
    """
    values: dict[str, Any] = dict.fromkeys(_nullable(model))
    for alias, plain in _fields(model).values():
        stored = item.get(alias)
        if stored is not None:
            values[alias] = stored if plain else json.loads(str(stored))
    return model.model_validate(values)


def text(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""The store on DynamoDB."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from opscore.aws.errors import answered, code_of
from opscore.errors import Contended, DependencyFailed, InvalidCursor
from opscore.ports import (
    Add,
    Change,
    Check,
    ConditionFailed,
    Delete,
    Item,
    Key,
    Page,
    Put,
    Scalar,
    Table,
    Update,
    Upsert,
)
from opscore.records.keys import INDEX_KEYS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

Attributes = dict[str, Any]

_BATCH = 100
_TRIES = 5


class DynamoStore:
    """Items of DynamoDB tables; `tables` names them, asked at first use of each."""

    def __init__(self, client: DynamoDBClient, table_name: Callable[[Table], str]) -> None:
        self._client = client
        self._table_name = table_name

    def get(self, key: Key) -> Item | None:
        with answered("DynamoDB"):
            found = self._client.get_item(
                TableName=self._table_name(key.table), Key=_key(key), ConsistentRead=True
            )
        return _item(found["Item"]) if "Item" in found else None

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        found: dict[Key, Item] = {}
        distinct = list(dict.fromkeys(keys))
        for start in range(0, len(distinct), _BATCH):
            found |= self._get_batch(distinct[start : start + _BATCH])
        return found

    def _get_batch(self, keys: Sequence[Key]) -> dict[Key, Item]:
        tables = {self._table_name(key.table): key.table for key in keys}
        request: Any = {
            name: {"Keys": [_key(k) for k in keys if k.table is table], "ConsistentRead": True}
            for name, table in tables.items()
        }
        found: dict[Key, Item] = {}
        for attempt in range(_TRIES):
            with answered("DynamoDB"):
                answer = self._client.batch_get_item(RequestItems=request)
            for name, items in answer["Responses"].items():
                for attributes in items:
                    key = Key(tables[name], attributes["pk"]["S"], attributes["sk"]["S"])
                    found[key] = _item(attributes)
            request = answer.get("UnprocessedKeys")
            if not request:
                return found
            _pause(attempt)
        raise DependencyFailed("DynamoDB left keys unread; try again")

    def query(
        self,
        table: Table,
        pk: str,
        *,
        limit: int,
        prefix: str = "",
        between: tuple[str, str] | None = None,
        after: Mapping[str, Scalar] | None = None,
        newest_first: bool = False,
    ) -> Page:
        condition = "pk = :pk"
        values: Attributes = {":pk": {"S": pk}}
        if prefix:
            condition += " AND begins_with(sk, :prefix)"
            values[":prefix"] = {"S": prefix}
        elif between is not None:
            condition += " AND sk BETWEEN :first AND :last"
            values |= {":first": {"S": between[0]}, ":last": {"S": between[1]}}
        return self._query(
            table,
            condition,
            {},
            values,
            limit,
            after,
            newest_first=newest_first,
            ConsistentRead=True,
        )

    def query_index(
        self,
        table: Table,
        index: str,
        partition: str,
        *,
        limit: int,
        upto: int | None = None,
        after: Mapping[str, Scalar] | None = None,
        newest_first: bool = False,
    ) -> Page:
        partition_key, sort_key = INDEX_KEYS[index]
        condition, names = "#p = :p", {"#p": partition_key}
        values: Attributes = {":p": {"S": partition}}
        if upto is not None:
            condition += " AND #s <= :s"
            names["#s"] = sort_key
            values[":s"] = {"N": str(upto)}
        return self._query(
            table,
            condition,
            names,
            values,
            limit,
            after,
            newest_first=newest_first,
            IndexName=index,
        )

    def _query(
        self,
        table: Table,
        condition: str,
        names: dict[str, str],
        values: Attributes,
        limit: int,
        after: Mapping[str, Scalar] | None,
        *,
        newest_first: bool,
        **more: Any,
    ) -> Page:
        request: dict[str, Any] = {
            "TableName": self._table_name(table),
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "Limit": limit,
            "ScanIndexForward": not newest_first,
            **more,
        }
        if names:
            request["ExpressionAttributeNames"] = names
        if after is not None:
            request["ExclusiveStartKey"] = _attributes(after)
        with answered("DynamoDB"):
            try:
                answer = self._client.query(**request)
            except ClientError as error:
                if after is not None and code_of(error) == "ValidationException":
                    raise InvalidCursor("cursor names no place in this list") from error
                raise
        items = tuple(
            (Key(table, found["pk"]["S"], found["sk"]["S"]), _item(found))
            for found in answer["Items"]
        )
        last = answer.get("LastEvaluatedKey")
        return Page(items, None if last is None else _scalars(last))

    def write(self, *changes: Change) -> None:
        for attempt in range(_TRIES):
            try:
                with answered("DynamoDB"):
                    if len(changes) == 1 and not isinstance(changes[0], Check):
                        self._write_one(changes[0])
                    else:
                        self._write_all(changes)
            except _InTheWay:
                _pause(attempt)
            else:
                return
        raise Contended("other writers were in the way; try again")

    def _write_one(self, change: Change) -> None:
        verb, request = self._request(change)
        try:
            getattr(self._client, f"{verb.lower()}_item")(**request)
        except ClientError as error:
            if code_of(error) == "TransactionConflictException":
                raise _InTheWay from error
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            stood: Any = error.response.get("Item")
            retried = error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
            if retried and stood and isinstance(change, Put) and _item(stood) == _written(change):
                return  # our own write, whose answer was lost
            raise ConditionFailed([0], {0: _item(stood)} if stood else {}) from error

    def _write_all(self, changes: Sequence[Change]) -> None:
        items: list[Any] = [dict([self._request(change)]) for change in changes]
        try:
            self._client.transact_write_items(TransactItems=items)
        except ClientError as error:
            if code_of(error) == "TransactionConflictException":
                raise _InTheWay from error
            if code_of(error) != "TransactionCanceledException":
                raise
            reasons: list[Any] = error.response.get("CancellationReasons", [])
            codes = [reason.get("Code", "None") for reason in reasons]
            failed = [i for i, code in enumerate(codes) if code == "ConditionalCheckFailed"]
            if failed:
                found = {i: _item(reasons[i]["Item"]) for i in failed if reasons[i].get("Item")}
                raise ConditionFailed(failed, found) from error
            if "TransactionConflict" in codes:
                raise _InTheWay from error
            raise

    def _request(self, change: Change) -> tuple[str, dict[str, Any]]:
        request: dict[str, Any] = {
            "TableName": self._table_name(change.key.table),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        expression = _Expression()
        match change:
            case Put():
                request["Item"] = _key(change.key) | _attributes(_written(change))
                if change.rev == 0:
                    request["ConditionExpression"] = "attribute_not_exists(pk)"
                elif change.rev is not None:
                    expression.expect({"rev": change.rev})
                verb = "Put"
            case Update():
                expression.expect(change.expect)
                request["UpdateExpression"] = expression.update(change.set, {})
                verb = "Update"
            case Upsert():
                request["UpdateExpression"] = expression.update(change.set, change.initial)
                verb = "Update"
            case Add():
                expression.below(change.number, change.below)
                request["UpdateExpression"] = expression.update({}, {}, {change.number: change.by})
                verb = "Update"
            case Delete():
                expression.expect(change.expect, exists=bool(change.expect))
                verb = "Delete"
            case Check():
                expression.expect(change.expect)
                verb = "ConditionCheck"
        if not isinstance(change, Put):
            request["Key"] = _key(change.key)
        return verb, request | expression.request()


class _InTheWay(Exception):
    """Another transaction holds an item; the same write may succeed in a moment."""


class _Expression:
    """DynamoDB's expressions, with placeholders for every name and value."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: Attributes = {}
        self._conditions: list[str] = []

    def expect(
        self, expected: Mapping[str, Scalar | Collection[Scalar]], *, exists: bool = True
    ) -> None:
        if exists:
            self._conditions.append("attribute_exists(pk)")
        for name, value in expected.items():
            if value is None:
                self._conditions.append(f"attribute_not_exists({self._name(name)})")
            elif isinstance(value, str | int):
                self._conditions.append(f"{self._name(name)} = {self._value(value)}")
            else:
                options = ", ".join(self._value(option) for option in value)
                self._conditions.append(f"{self._name(name)} IN ({options})")

    def below(self, number: str, bound: int | None) -> None:
        if bound is None:
            return
        name = self._name(number)
        self._conditions.append(f"(attribute_not_exists({name}) OR {name} < {self._value(bound)})")

    def update(
        self, values: Item, initial: Item, added: Mapping[str, int] = MappingProxyType({})
    ) -> str:
        sets = [f"{self._name(n)} = {self._value(v)}" for n, v in values.items() if v is not None]
        for name, value in initial.items():
            placeholder = self._name(name)
            sets.append(f"{placeholder} = if_not_exists({placeholder}, {self._value(value)})")
        for number, by in {**added, "rev": 1}.items():
            counted = self._name(number)
            zero, more = self._value(0), self._value(by)
            sets.append(f"{counted} = if_not_exists({counted}, {zero}) + {more}")
        removes = [self._name(n) for n, v in values.items() if v is None]
        return f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removes)}" if removes else "")

    def request(self) -> dict[str, Any]:
        parts: dict[str, Any] = {}
        if self._conditions:
            parts["ConditionExpression"] = " AND ".join(self._conditions)
        if self._names:
            parts["ExpressionAttributeNames"] = self._names
        if self._values:
            parts["ExpressionAttributeValues"] = self._values
        return parts

    def _name(self, name: str) -> str:
        self._names[f"#{name}"] = name
        return f"#{name}"

    def _value(self, value: Scalar) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = _attribute(value)
        return placeholder


def _written(change: Put) -> dict[str, Scalar]:
    present = {name: value for name, value in change.item.items() if value is not None}
    return {**present, "rev": (change.rev or 0) + 1}


def _key(key: Key) -> Attributes:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _attribute(value: Scalar) -> Any:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    return {"S": value}


def _attributes(values: Mapping[str, Scalar]) -> Attributes:
    return {name: _attribute(value) for name, value in values.items() if value is not None}


def _scalar(attribute: Mapping[str, Any]) -> Scalar:
    if "N" in attribute:
        return int(attribute["N"])
    value: Scalar = attribute["BOOL"] if "BOOL" in attribute else attribute["S"]
    return value


def _scalars(attributes: Mapping[str, Any]) -> dict[str, Scalar]:
    return {name: _scalar(attribute) for name, attribute in attributes.items()}


def _item(attributes: Mapping[str, Any]) -> dict[str, Scalar]:
    return {n: v for n, v in _scalars(attributes).items() if n not in ("pk", "sk")}


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 (jitter, not a secret)

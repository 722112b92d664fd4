"""API keys: only their hashes are stored, so reading the table gives nobody a key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opscore.aws.errors import answered
from opscore.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


@dataclass(frozen=True)
class ApiKey:
    """A key that is known and has not expired; `key_id` tells it apart in logs."""

    key_id: str
    name: str
    scope: str


class ApiKeys:
    """Looks keys up: one GetItem."""

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def find(self, key: str) -> ApiKey | None:
        """The key, unless nobody knows it or its time is over. Raises DependencyFailed."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        with answered("DynamoDB"):
            found = self._client.get_item(
                TableName=self._table, Key={"pk": {"S": f"key#{digest}"}, "sk": {"S": "key"}}
            ).get("Item")
        if found is None:
            return None
        expires_at = int(found["expiresAt"]["N"]) if "expiresAt" in found else None
        if expires_at is not None and expires_at * 1000 <= self._clock():
            return None
        return ApiKey(digest[:12], found.get("name", {}).get("S", ""), found["scope"]["S"])

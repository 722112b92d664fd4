"""API keys: made here at random; the Keys table gets only their hash, with the caller's own rights.

There is no route for this on purpose: whoever may write to the table may make keys, nobody else.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from opscore_cli.program import CommandFailedError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Scope = Literal["agent", "operator", "admin"]

KEYS_TABLE_IN_STACK: Final = "KeysTable"


@dataclass(frozen=True)
class NewKey:
    """A key to hand out once."""

    text: str = field(repr=False)
    scope: Scope
    name: str
    created: datetime
    expires: datetime | None

    @property
    def digest(self) -> str:
        """What the table knows the key by."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def random_text() -> str:
    """The text of a key of 256 random bits."""
    return f"opscore_{secrets.token_urlsafe(32)}"


def make(scope: Scope, name: str, created: datetime, expires: datetime | None) -> NewKey:
    """A key that nobody has had."""
    return NewKey(random_text(), scope, name, created, expires)


def table_of_stack(stack: str) -> str:
    """The name of the Keys table of a deployed stack."""
    # Loaded only here: it takes longer than all the rest of the command line together.
    import boto3

    with _aws_errors():
        answer = boto3.client("cloudformation").describe_stack_resource(
            StackName=stack, LogicalResourceId=KEYS_TABLE_IN_STACK
        )
    return answer["StackResourceDetail"]["PhysicalResourceId"]


def store(key: NewKey, table: str) -> None:
    """Write a key's hash to the Keys table."""
    import boto3

    with _aws_errors():
        boto3.client("dynamodb").put_item(
            TableName=table,
            Item=item(key),
            ConditionExpression="attribute_not_exists(pk)",
        )


def item(key: NewKey) -> "dict[str, AttributeValueTypeDef]":
    """The table's item: an expired key is refused by `expiresAt`, and removed by `ttl`."""
    stored: dict[str, AttributeValueTypeDef] = {
        "pk": {"S": f"key#{key.digest}"},
        "sk": {"S": "key"},
        "scope": {"S": key.scope},
        "name": {"S": key.name},
        "createdAt": {"N": str(int(key.created.timestamp() * 1000))},
    }
    if key.expires is not None:
        seconds = str(int(key.expires.timestamp()))
        stored |= {"expiresAt": {"N": seconds}, "ttl": {"N": seconds}}
    return stored


@contextmanager
def _aws_errors() -> Iterator[None]:
    """AWS's errors (no credentials, no region, no such stack, no right) as one line."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise CommandFailedError(f"AWS: {error}") from error

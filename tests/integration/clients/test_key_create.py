import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from opscore_cli.main import app
from opscore_cli.shell import Outside

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
TABLE = "the-keys"
STACK_TEMPLATE = {
    "Resources": {
        "KeysTable": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                ],
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "TableName": TABLE,
            },
        }
    }
}

Create = Callable[..., Result]


@pytest.fixture
def create(monkeypatch: pytest.MonkeyPatch) -> Iterator[Create]:
    """`opscore key create` against a deployed stack of one table."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    def run(*args: str) -> Result:
        line = ("key", "create", *args)
        outside = Outside(now=lambda: NOW)
        return CliRunner().invoke(app, line, obj=outside, catch_exceptions=False)

    with mock_aws():
        boto3.client("cloudformation").create_stack(
            StackName="ops-dev", TemplateBody=json.dumps(STACK_TEMPLATE)
        )
        yield run


def stored(key: str) -> dict[str, Any] | None:
    """What the authorizer would find for a key."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    answer = boto3.client("dynamodb").get_item(
        TableName=TABLE, Key={"pk": {"S": f"key#{digest}"}, "sk": {"S": "key"}}
    )
    return answer.get("Item")


def test_only_the_hash_of_a_new_key_is_stored(create: Create) -> None:
    result = create("--scope", "operator", "--name", "night shift", "--table", TABLE)

    assert result.exit_code == 0
    key = result.stdout.strip()
    assert re.fullmatch(r"opscore_[A-Za-z0-9_-]{43}", key)
    item = stored(key)
    assert item == {
        "pk": {"S": f"key#{hashlib.sha256(key.encode()).hexdigest()}"},
        "sk": {"S": "key"},
        "scope": {"S": "operator"},
        "name": {"S": "night shift"},
        "createdAt": {"N": str(int(NOW.timestamp() * 1000))},
    }
    assert key not in json.dumps(item)


def test_a_key_may_expire_and_the_stack_may_be_named(create: Create) -> None:
    result = create(
        "--scope", "agent", "--name", "a", "--expires-in", "90d", "--stack", "ops-dev", "--json"
    )

    made = json.loads(result.stdout)
    item = stored(made.pop("key"))
    assert made == {"scope": "agent", "name": "a", "expiresAt": "2027-02-20T10:00:00+00:00"}
    assert item is not None
    expiry = {"N": str(int(NOW.timestamp()) + 90 * 86400)}
    assert (item["expiresAt"], item["ttl"]) == (expiry, expiry)


def test_two_keys_differ(create: Create) -> None:
    keys = {create("--scope", "admin", "--name", "a", "--table", TABLE).stdout for _ in range(2)}

    assert len(keys) == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--table", "no-such-table"), "ResourceNotFoundException"),
        (("--stack", "no-such-stack"), "no-such-stack"),
    ],
)
def test_what_aws_refuses_is_one_line_and_no_key(
    create: Create, args: tuple[str, str], message: str
) -> None:
    result = create("--scope", "agent", "--name", "a", *args)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("opscore: AWS: ")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "give either --stack or --table"),
        (("--table", TABLE, "--stack", "ops-dev"), "give either --stack or --table"),
        (("--table", TABLE, "--expires-in", "soon"), "--expires-in: 'soon' is not a duration"),
    ],
)
def test_wrong_usage_stores_nothing(create: Create, args: tuple[str, ...], message: str) -> None:
    result = create("--scope", "agent", "--name", "a", *args)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"opscore: {message}")
    table = boto3.client("dynamodb").describe_table(TableName=TABLE)["Table"]
    assert table["ItemCount"] == 0

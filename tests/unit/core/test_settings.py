"""A bad or missing setting is named when it is first needed."""

from __future__ import annotations

import pytest

from opscore.errors import SettingError
from opscore.settings import Settings, TransportName

OPTIONAL = [
    "agents_table",
    "work_table",
    "workflows_table",
    "keys_table",
    "task_queue_url",
    "machine_prefix",
    "workflow_role_arn",
    "workflow_log_group_arn",
    "webhook_secret_id",
    "agentkit_api_url",
]


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingError, match=f"missing setting: {name.upper()}$"):
        Settings.read({}).require(name)


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_empty_setting_is_a_missing_one(name: str) -> None:
    with pytest.raises(SettingError, match=name.upper()):
        Settings.read({name.upper(): ""}).require(name)


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_setting_is_read_as_it_stands(name: str) -> None:
    assert Settings.read({name.upper(): "a value"}).require(name) == "a value"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOW_UNSIGNED_WEBHOOK", "perhaps"),
        ("DISPATCH_TRANSPORT", "pigeon"),
        ("DIRECT_ALLOW_LOOPBACK", "2"),
        ("REQUEST_TIMEOUT_SECONDS", "0"),
        ("REQUEST_TIMEOUT_SECONDS", "ten"),
        ("REDELIVERY_BASE_SECONDS", "-1"),
        ("REDELIVERY_CAP_SECONDS", "1.5"),
        ("ERROR_COOLDOWN_SECONDS", "0"),
        ("DRAIN_SECONDS", "soon"),
        ("CAPABILITY_SHARDS", "0"),
        ("CAPABILITY_SHARDS", "65"),
        ("HISTORY_DAYS", "0"),
        ("RETENTION_DAYS", "0"),
    ],
)
def test_a_bad_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"bad setting: {name}: "):
        Settings.read({name: value})


def test_all_bad_settings_are_named_at_once() -> None:
    with pytest.raises(SettingError) as error:
        Settings.read({"CAPABILITY_SHARDS": "0", "DRAIN_SECONDS": "x"})

    assert "CAPABILITY_SHARDS" in str(error.value)
    assert "DRAIN_SECONDS" in str(error.value)


def test_other_variables_of_the_environment_do_no_harm() -> None:
    settings = Settings.read({"PATH": "/bin", "DISPATCH_TRANSPORT": "direct", "LANG": "C"})

    assert settings.dispatch_transport is TransportName.DIRECT


def test_nothing_is_open_by_default() -> None:
    settings = Settings.read({})

    assert not settings.allow_unsigned_webhook
    assert not settings.direct_allow_loopback

"""What the deployment says, read from the environment at first use and not before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opscore.errors import SettingError

Seconds = Annotated[int, Field(gt=0)]


class TransportName(StrEnum):
    """The ways of handing a task to an agent."""

    AGENTKIT = "agentkit"
    DIRECT = "direct"

    @property
    def shared(self) -> bool:
        """Whether one gateway serves all agents."""
        return self is TransportName.AGENTKIT


class Settings(BaseModel):
    """Settings of one function; names are the environment's, in lower case.

    What only some functions need is optional here and asked for by `require`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: str = "local"
    agents_table: str | None = None
    work_table: str | None = None
    workflows_table: str | None = None
    keys_table: str | None = None
    task_queue_url: str | None = None
    machine_prefix: str | None = None
    workflow_role_arn: str | None = None
    workflow_log_group_arn: str | None = None
    map_executions: bool = True
    webhook_secret_id: str | None = None
    allow_unsigned_webhook: bool = False
    agentkit_api_url: str | None = None
    dispatch_transport: TransportName = TransportName.AGENTKIT
    direct_allow_loopback: bool = False
    request_timeout_seconds: Seconds = 10
    redelivery_base_seconds: Seconds = 2
    redelivery_cap_seconds: Seconds = 300
    error_cooldown_seconds: Seconds = 5
    drain_seconds: Seconds = 300
    stale_agent_seconds: Seconds = 3600
    capability_shards: Annotated[int, Field(ge=1, le=64)] = 4
    history_days: Annotated[int, Field(ge=1)] = 30
    retention_days: Annotated[int, Field(ge=1)] = 400

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Settings from an environment; an empty variable counts as absent.

        Raises SettingError naming each bad variable.
        """
        known = {
            name: environment[name.upper()]
            for name in cls.model_fields
            if environment.get(name.upper(), "") != ""
        }
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            faults = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
            raise SettingError(f"bad setting: {faults}") from None

    def require(self, name: str) -> str:
        """The text of an optional setting that this caller can't do without."""
        value = getattr(self, name)
        if value is None:
            raise SettingError(f"missing setting: {name.upper()}")
        return str(value)


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.read(os.environ)

"""Mends of moto: tasks that wait for their token."""

# ruff: noqa: SLF001  (a mend reaches into what it mends)
from __future__ import annotations

from typing import Any, cast

from moto.stepfunctions.parser.api import HistoryEventType, TaskTimedOutEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback as callback,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import HeartbeatTimeoutError
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from opscore_trial.patching import Patches

_Service = callback.StateTaskServiceCallback


def each_attempt_has_its_token(patches: Patches) -> None:
    """Defect: a retried task keeps its token, and so gets its previous failure again at once."""
    before = _Service._eval_execution

    def eval_execution(self: Any, env: Any) -> Any:
        context = env.states.context_object
        if self._is_integration_pattern() and context.context_object_data["State"]["RetryCount"]:
            env.callback_pool_manager.add(context.update_task_token())
        return before(self, env)

    patches.set(_Service, "_eval_execution", eval_execution)


def heartbeats_run_out_by_their_name(patches: Patches) -> None:
    """Defect: a heartbeat that does not come is States.Timeout, not States.HeartbeatTimeout."""
    before = _Service._from_error

    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        if not isinstance(ex, HeartbeatTimeoutError):
            return before(self, env, ex)
        name = StatesErrorName(typ=StatesErrorNameType.StatesHeartbeatTimeout)
        details = TaskTimedOutEventDetails(
            resourceType=self._get_sfn_resource_type(),
            resource=self._get_sfn_resource(),
            error=name.error_name,
        )
        return FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.TaskTimedOut,
            event_details=cast("EventDetails", {"taskTimedOutEventDetails": details}),
        )

    patches.set(_Service, "_from_error", from_error)


MENDS = (each_attempt_has_its_token, heartbeats_run_out_by_their_name)

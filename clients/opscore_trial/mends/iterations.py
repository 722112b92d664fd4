"""Mends of moto: Parallel and Map."""

from __future__ import annotations

from typing import Any, cast

from moto.stepfunctions.parser.api import ExecutionFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as distributed,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded
from moto.stepfunctions.parser.asl.eval.states import ItemData, MapData
from moto.stepfunctions.parser.asl.eval.variable_store import VariableStore

from opscore_trial.patching import Patches


def inner_states_see_their_item(patches: Patches) -> None:
    """Defect: `$states.context.Map` is not there in the states of an iteration."""
    before = Environment.as_inner_frame_of.__func__  # type: ignore[attr-defined]  # a classmethod

    def as_inner_frame_of(cls: Any, env: Any, *args: Any, **named: Any) -> Any:
        frame = before(cls, env, *args, **named)
        outer = env.states.context_object.context_object_data
        if "Map" in outer:
            frame.states.context_object.context_object_data["Map"] = outer["Map"]
        return frame

    patches.set(Environment, "as_inner_frame_of", classmethod(as_inner_frame_of))


def items_of_a_distributed_map_run_by_themselves(patches: Patches) -> None:
    """Defects of the Distributed Map, whose items are executions of their own.

    - an item sees the variables and the input of the execution that it came from
    - an item that fails is null in the result; on AWS it fails the map, which tolerates none
    """

    def eval_job(self: Any, env: Any, job: Any) -> None:
        context = env.states.context_object.context_object_data
        context["Map"] = MapData(Item=ItemData(Index=job.job_index, Value=job.job_input))
        env.states.reset(job.job_input)
        env.stack.append(env.states.get_input())
        try:
            self._eval_input(env_frame=env)
            _leave(env, job.job_index)
            job.job_program.eval(env)
        except FailureEventException as error:
            job.job_output = error
            return
        if isinstance(env.program_state(), ProgramEnded):
            job.job_output = env.states.get_input()
        else:
            job.job_output = _too_many_failures(env)

    patches.set(distributed.DistributedItemProcessorWorker, "_eval_job", eval_job)


def _leave(env: Any, index: int) -> None:
    """Have an item's frame know only what it was handed."""
    context = env.states.context_object.context_object_data
    del context["Map"]
    parent = context["Execution"]
    context["Execution"] = {
        **parent,
        "Id": f"{parent['Id']}/{index}",
        "Name": f"{parent['Name']}-{index}",
        "Input": env.states.get_input(),
    }
    env.variable_store = VariableStore()  # type: ignore[no-untyped-call]  # moto's


def _too_many_failures(env: Any) -> FailureEventException:
    name = StatesErrorName(typ=StatesErrorNameType.StatesExceedToleratedFailureThreshold)
    details = ExecutionFailedEventDetails(
        error=name.error_name, cause="The specified tolerated failure threshold was exceeded"
    )
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.MapRunFailed,
            event_details=cast("EventDetails", {"executionFailedEventDetails": details}),
        )
    )


MENDS = (inner_states_see_their_item, items_of_a_distributed_map_run_by_themselves)

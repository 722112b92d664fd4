"""One execution of a Step Functions definition, in this process and in no time."""

# ruff: noqa: SLF001  (what moto does not tell is looked up in it)
from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, cast

from moto.stepfunctions.parser.api import ExecutionFailedEventDetails, StateMachineType
from moto.stepfunctions.parser.asl.component.common.retry.retry_decl import RetryDecl
from moto.stepfunctions.parser.asl.component.common.retry.retry_outcome import RetryOutcome
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    distributed_iteration_component,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_sqs,
)
from moto.stepfunctions.parser.asl.eval import environment
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackOutcome,
    CallbackOutcomeFailure,
    CallbackOutcomeSuccess,
)
from moto.stepfunctions.parser.asl.eval.evaluation_details import (
    AWSExecutionDetails,
    EvaluationDetails,
    ExecutionDetails,
    StateMachineDetails,
)
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.eval.program_state import (
    ProgramEnded,
    ProgramError,
    ProgramTimedOut,
)
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

from opscore.workflows.effort import MAX_EVENTS
from opscore_trial.clock import Clock
from opscore_trial.mends import MENDS
from opscore_trial.mends.on_clock import on_clock
from opscore_trial.patching import Mend, Patches, patched

_ARN = "arn:aws:states:us-east-1:000000000000"
_ROLE = "arn:aws:iam::000000000000:role/trial"


class Status(StrEnum):
    """How an execution ends."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"


@dataclass(frozen=True)
class Ended:
    """What came of an execution.

    `entered`: the states, in their order; `retries`, of whatever states; `seconds`: its duration.
    """

    status: Status
    output: Any
    error: str | None
    cause: str | None
    entered: tuple[str, ...]
    retries: int
    seconds: float


class TooLongError(Exception):
    """An execution that AWS would have ended: its history is too long."""


@dataclass
class Execution:
    """A definition, its input, and who receives what its states send to a queue.

    `receive` gets each message's body at the moment it is sent, and answers its token here, at
    once or later.
    """

    definition: str
    given: Any
    receive: Callable[[dict[str, Any]], None]
    name: str = "trial"
    began: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    mends: tuple[Mend, ...] = MENDS
    max_events: int = MAX_EVENTS

    def run(self) -> Ended:
        """Run it to its end.

        Raises TooLongError, what `receive` raises, and moto's own errors for what is no definition.
        """
        self._clock = Clock()
        self._entered: list[str] = []
        self._events = self._retries = 0
        self._broken: Exception | None = None
        ended: list[bool] = []
        end: Any = SimpleNamespace(terminated=lambda: ended.append(True))
        self._worker = cast("Any", ExecutionWorker(self._details(), end, None, {}))
        mends = (*self.mends, on_clock(self._clock, self.began), self._watch)
        with patched(mends), _quiet_moto():
            self._worker.start()
            self._clock.run_until(lambda: bool(ended) or self._broken is not None)
        if self._broken is not None:
            raise self._broken
        return self.so_far()

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return self._clock.seconds

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Do something later, in the execution's own time."""
        self._clock.at(self._clock.seconds + seconds, call)

    def succeed(self, token: str, result: Any) -> None:
        """Answer a token with a result."""
        self._answer(token, CallbackOutcomeSuccess(token, json.dumps(result)))

    def fail(self, token: str, error: str, cause: str) -> None:
        """Answer a token with an error."""
        self._answer(token, CallbackOutcomeFailure(token, error, cause))

    def _answer(self, token: str, outcome: CallbackOutcome) -> None:
        self._worker.env.callback_pool_manager.notify(token, outcome)

    def _details(self) -> EvaluationDetails:
        return EvaluationDetails(
            aws_execution_details=AWSExecutionDetails("000000000000", "us-east-1", _ROLE),
            execution_details=ExecutionDetails(
                arn=f"{_ARN}:execution:trial:{self.name}",
                name=self.name,
                role_arn=_ROLE,
                inpt=self.given,
                start_time=self.began.isoformat(),
            ),
            state_machine_details=StateMachineDetails(
                arn=f"{_ARN}:stateMachine:trial",
                name="trial",
                typ=StateMachineType.STANDARD,
                definition=self.definition,
            ),
        )

    def _watch(self, patches: Patches) -> None:
        """Messages come here instead of to SQS; entered states and retries are seen."""
        execution = self

        class Events(EventManager):
            def add_event(self, *args: Any, **named: Any) -> Any:
                execution._saw(named.get("event_details") or {})
                return super().add_event(*args, **named)

        class OwnEvents(Events):
            def add_event(self, *args: Any, **named: Any) -> Any:
                execution._count_event()
                return super().add_event(*args, **named)

        retried = RetryDecl._eval_body

        def eval_body(self: Any, env: Any) -> None:
            retried(self, env)
            execution._retries += env.stack[-1] is RetryOutcome.CanRetry

        patches.set(RetryDecl, "_eval_body", eval_body)
        queue = SimpleNamespace(send_message=self._sent)
        patches.set(state_task_service_sqs, "boto_client_for", lambda **_: queue)
        patches.set(environment, "EventManager", OwnEvents)
        # Items of a Distributed Map have histories of their own.
        patches.set(distributed_iteration_component, "EventManager", Events)

    def _count_event(self) -> None:
        self._events += 1
        if self._events > self.max_events:
            self._break_off(TooLongError(f"its history is longer than {self.max_events} events"))

    def _saw(self, details: dict[str, Any]) -> None:
        if "stateEnteredEventDetails" in details:
            self._entered.append(details["stateEnteredEventDetails"]["name"])

    def _sent(self, MessageBody: str, **_other: Any) -> dict[str, str]:  # noqa: N803  # AWS's name
        try:
            self.receive(json.loads(MessageBody))
        except Exception as error:  # noqa: BLE001  # `run` raises it again
            self._break_off(error)
        return {"MessageId": "trial"}

    def _break_off(self, error: Exception) -> None:
        """End the run where it stands: raised here, moto would fail a state with it."""
        self._broken = error
        self._clock.event().wait()

    def so_far(self) -> Ended:
        """What has come of it; failed without an error, if it was broken off."""
        env = self._worker.env
        status, output, failure = Status.FAILED, None, ExecutionFailedEventDetails()
        match env.program_state():
            case ProgramEnded():
                status, output = Status.SUCCEEDED, env.states.get_input()
            case ProgramTimedOut():
                status = Status.TIMED_OUT
            case ProgramError(error=details):
                failure = details or failure
        return Ended(
            status,
            output,
            failure.get("error"),
            failure.get("cause"),
            tuple(self._entered),
            self._retries,
            self._clock.seconds,
        )


@contextmanager
def _quiet_moto() -> Iterator[None]:
    """Have moto not log each failure of a state as an error of its own."""
    logger = logging.getLogger("moto.stepfunctions")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)

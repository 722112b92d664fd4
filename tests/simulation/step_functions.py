"""Step Functions: executions that do what their input says, and the tokens of their tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from opscore.models.messages import TaskMessage
from opscore.ports import Execution
from opscore.records.codec import text
from tests.simulation.faults import Calls
from tests.simulation.scenario import Fault
from tests.simulation.scheduler import Scheduler
from tests.support.memory import MemoryMachines, MemoryTokens

BACKSTOP_SECONDS = 300
"""What a task's own time limit has beyond Ops-Core's."""

_RETRY_SECONDS = 2


@dataclass
class Run:
    """An execution on its way. `open`: its tokens that wait, with the tasks they are of."""

    machine_arn: str
    name: str
    session: dict[str, Any]
    stages: list[list[dict[str, Any]]]
    stage: int = 0
    left: int = 0
    open: dict[str, dict[str, Any]] = field(default_factory=dict)


class StepFunctions(MemoryMachines, MemoryTokens):
    """Machines and tokens; sends what definitions send by `send`, status events by `announce`.

    `tokens`: every token given out; `attempt_of`: the attempt of each; `given`: every answer that
    anyone tried to give, by token.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        calls: Calls,
        rng: Random,
        send: Callable[[str], None],
        announce: Callable[[str, Execution], None],
    ) -> None:
        MemoryMachines.__init__(self)
        MemoryTokens.__init__(self)
        self.tokens: list[str] = []
        self.attempt_of: dict[str, str] = {}
        self.given: dict[str, set[tuple[str, str]]] = {}
        self._scheduler = scheduler
        self._calls = calls
        self._rng = rng
        self._send = send
        self._announce = announce
        self._runs: dict[tuple[str, str], Run] = {}
        self._run_of: dict[str, Run] = {}

    # ---- machines

    def start(self, machine_arn: str, name: str, execution_input: str) -> None:
        place = (machine_arn, name)
        known = place in self.executions
        super().start(machine_arn, name, execution_input)
        if known:
            assert self.inputs[place] == execution_input, "another input for the same name"
            return
        given = json.loads(execution_input)
        run = Run(machine_arn, name, given["session"], given["input"]["stages"])
        self._runs[place] = run
        self._announce(name, Execution("RUNNING"))
        self._enter_stage(run)
        if self._calls.has(Fault.TOKENS) and self._rng.random() < 0.1:
            died = Execution("TIMED_OUT") if self._rng.random() < 0.5 else Execution("ABORTED")
            self._scheduler.after(self._rng.uniform(1, 300), lambda: self._end(run, died))

    def stop(self, machine_arn: str, name: str, error: str, cause: str) -> bool:
        run = self._runs.get((machine_arn, name))
        if run is None:
            return False
        self._end(run, Execution("ABORTED", error=error, cause=cause))
        return True

    # ---- tokens

    def _take(self, token: str, answer: tuple[str, str]) -> None:
        self.given.setdefault(token, set()).add(answer)
        super()._take(token, answer)
        how, what = answer
        run = self._run_of[token]
        task = run.open.pop(token)
        if how == "succeeded":
            self._succeeded(run, what)
        else:
            self._failed(run, task, what.split(":", 1)[0])

    # ---- executions

    def _enter_stage(self, run: Run) -> None:
        tasks = run.stages[run.stage]
        run.left = len(tasks)
        for task in tasks:
            self._enter(run, {**task, "retry": 0, "route": 0})

    def _enter(self, run: Run, task: dict[str, Any]) -> None:
        if self.executions[run.machine_arn, run.name].status != "RUNNING":
            return
        token = f"{run.name[:8]}-{task['taskId']}-{len(self.tokens)}"
        self.tokens.append(token)
        run.open[token] = task
        self._run_of[token] = run
        message = TaskMessage.model_validate(
            {
                "token": token,
                "sessionId": run.name,
                "workflowId": run.session["workflowId"],
                "sessionAgentId": run.session["agentId"],
                "name": task["taskId"],
                **{name: value for name, value in task.items() if name not in _OWN},
            }
        )
        self.attempt_of[token] = message.attempt_id
        self._send(message.model_dump_json(by_alias=True, exclude_none=True))
        seconds = task["timeout"] + task["waitTimeout"] + BACKSTOP_SECONDS
        if self._calls.has(Fault.TOKENS) and self._rng.random() < 0.08:
            seconds = self._rng.uniform(1, task["timeout"] + 60)
        self._scheduler.after(seconds, lambda: self._timed_out(run, token))

    def _timed_out(self, run: Run, token: str) -> None:
        if token in run.open:
            self.dead.add(token)
            self._failed(run, run.open.pop(token), "States.Timeout")

    def _succeeded(self, run: Run, output: str) -> None:
        run.left -= 1
        if run.left:
            return
        run.stage += 1
        if run.stage < len(run.stages):
            self._enter_stage(run)
        else:
            self._end(run, Execution("SUCCEEDED", output=output))

    def _failed(self, run: Run, task: dict[str, Any], error: str) -> None:
        if task["retry"] < task["retries"]:
            again = {**task, "retry": task["retry"] + 1}
        elif task["fallback"] is not None and task["route"] == 0:
            again = {**task, "retry": 0, "route": 1, "agentCapability": task["fallback"]}
            again.pop("agentId", None)
        else:
            self._end(run, Execution("FAILED", error=error, cause=f"of {task['taskId']}"))
            return
        wait = _RETRY_SECONDS * 2 ** again["retry"]
        self._scheduler.after(wait, lambda: self._enter(run, again))

    def _end(self, run: Run, how: Execution) -> None:
        place = (run.machine_arn, run.name)
        if self.executions[place].status != "RUNNING":
            return
        self.executions[place] = how
        self.dead.update(run.open)
        run.open.clear()
        self._announce(run.name, how)


_OWN = ("retries", "fallback")


def bare(how: Execution) -> Execution:
    """What an event says that leaves out what is long."""
    return Execution(how.status)


def result_of(how: Execution) -> str:
    """What the session's result must be, as text."""
    return text(json.loads(how.output)) if how.output is not None else "null"

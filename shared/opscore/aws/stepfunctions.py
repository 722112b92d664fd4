"""State machines, executions and task tokens on Step Functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from opscore.aws.errors import answered, code_of
from opscore.errors import SettingError
from opscore.ports import Execution, Refused, TokenGone

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.client import SFNClient

MAX_ERROR = 256
MAX_CAUSE = 32_768
_GONE = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})


class TaskTokens:
    """Answers to task tokens."""

    def __init__(self, client: SFNClient) -> None:
        self._client = client

    def succeed(self, token: str, output: str) -> None:
        self._answer(self._client.send_task_success, taskToken=token, output=output)

    def fail(self, token: str, error: str, cause: str) -> None:
        self._answer(
            self._client.send_task_failure,
            taskToken=token,
            error=error[:MAX_ERROR],
            cause=cause[:MAX_CAUSE],
        )

    def _answer(self, call: Any, **arguments: str) -> None:
        with answered("Step Functions"):
            try:
                call(**arguments)
            except ClientError as error:
                if code_of(error) in _GONE:
                    raise TokenGone from error
                raise


class StateMachines:
    """Machines made at run time; their names begin with the deployment's prefix."""

    def __init__(
        self,
        client: SFNClient,
        *,
        prefix: str | None,
        role_arn: str | None,
        log_group_arn: str | None,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._role_arn = role_arn
        self._log_group_arn = log_group_arn

    def arn_of(self, name: str) -> str:
        if self._prefix is None or self._role_arn is None:
            # Functions that only read executions need neither.
            raise SettingError("missing setting: MACHINE_PREFIX or WORKFLOW_ROLE_ARN")
        _, partition, _, _, account, _ = self._role_arn.split(":", 5)
        region = self._client.meta.region_name
        return f"arn:{partition}:states:{region}:{account}:stateMachine:{self._prefix}{name}"

    def create(self, name: str, definition: str) -> str:
        arn = self.arn_of(name)
        request: dict[str, Any] = {
            "name": arn.rsplit(":", 1)[1],
            "definition": definition,
            "roleArn": self._role_arn,
            "type": "STANDARD",
        }
        if self._log_group_arn:
            # Execution data stays out of the log: it holds what users send.
            request["loggingConfiguration"] = {
                "level": "ERROR",
                "includeExecutionData": False,
                "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": self._log_group_arn}}],
            }
        with answered("Step Functions"):
            try:
                return self._client.create_state_machine(**request)["stateMachineArn"]
            except ClientError as error:
                if code_of(error) == "StateMachineAlreadyExists":
                    # The same definition, for its name is its hash; made with other log settings.
                    return arn
                if code_of(error) in ("InvalidDefinition", "InvalidName"):
                    raise Refused(_message(error)) from error
                raise

    def delete(self, machine_arn: str) -> None:
        with answered("Step Functions"):
            try:
                self._client.delete_state_machine(stateMachineArn=machine_arn)
            except ClientError as error:
                if code_of(error) not in ("StateMachineDoesNotExist", "StateMachineDeleting"):
                    raise

    def exists(self, machine_arn: str) -> bool:
        with answered("Step Functions"):
            try:
                found = self._client.describe_state_machine(stateMachineArn=machine_arn)
            except ClientError as error:
                if code_of(error) != "StateMachineDoesNotExist":
                    raise
                return False
        return found.get("status") != "DELETING"

    def start(self, machine_arn: str, name: str, execution_input: str) -> None:
        with answered("Step Functions"):
            try:
                self._client.start_execution(
                    stateMachineArn=machine_arn, name=name, input=execution_input
                )
            except ClientError as error:
                if code_of(error) == "ExecutionAlreadyExists":
                    return
                if code_of(error) in (
                    "StateMachineDoesNotExist",
                    "StateMachineDeleting",
                    "InvalidArn",
                    "InvalidExecutionInput",
                    "InvalidName",
                ):
                    raise Refused(_message(error)) from error
                raise

    def stop(self, machine_arn: str, name: str, error: str, cause: str) -> bool:
        with answered("Step Functions"):
            try:
                self._client.stop_execution(
                    executionArn=execution_arn(machine_arn, name), error=error, cause=cause
                )
            except ClientError as refusal:
                if code_of(refusal) != "ExecutionDoesNotExist":
                    raise
                return False
        return True

    def describe(self, machine_arn: str, name: str) -> Execution | None:
        with answered("Step Functions"):
            try:
                found: Any = self._client.describe_execution(
                    executionArn=execution_arn(machine_arn, name)
                )
            except ClientError as error:
                if code_of(error) == "ExecutionDoesNotExist":
                    return None
                raise
        return Execution(
            found["status"], found.get("output"), found.get("error"), found.get("cause")
        )


def execution_arn(machine_arn: str, name: str) -> str:
    """The ARN of an execution, from its machine's and its name."""
    return machine_arn.replace(":stateMachine:", ":execution:", 1) + f":{name}"


def _message(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Message", "")

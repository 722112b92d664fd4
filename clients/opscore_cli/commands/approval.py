from typing import Annotated

import typer

from opscore_cli.commands.options import CursorOption, LimitOption
from opscore_cli.present import Column, printable, write_json
from opscore_cli.shell import Shell, command
from opscore_cli.story import short
from opscore_cli.times import ago, local
from opscore_client.types import Approval, ApprovalAnswer

app = typer.Typer(help="Approvals: steps of sessions that wait for a person.")

TaskArgument = Annotated[str, typer.Argument(metavar="TASK_ID", help="As the list has it.")]
CommentOption = Annotated[str | None, typer.Option(help="Why; it stands in the step's result.")]
ByOption = Annotated[str | None, typer.Option(help="Whose word it is; the key's name by default.")]


@command(app, "list")
def list_approvals(
    shell: Shell,
    workflow: Annotated[str | None, typer.Option(help="Only those of this workflow.")] = None,
    session: Annotated[str | None, typer.Option(help="Only those of this session.")] = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
) -> None:
    """List open approvals, oldest first."""
    columns: list[Column[Approval]] = [
        Column("task", lambda approval: approval["taskId"]),
        Column("workflow", lambda approval: approval["workflowId"]),
        Column("step", lambda approval: approval["taskDefinitionId"]),
        Column("session", lambda approval: approval["sessionId"]),
        Column("waits since", lambda approval: ago(approval["createdAt"], shell.now)),
        Column("until", lambda approval: local(approval["deadline"])),
        Column("prompt", lambda approval: short(approval["prompt"])),
    ]
    found = shell.client.approvals.find(workflow_id=workflow, session_id=session)
    shell.show_list(found, columns, limit, cursor)


@command(app, "approve")
def approve(
    shell: Shell, task_id: TaskArgument, comment: CommentOption = None, by: ByOption = None
) -> None:
    """Approve: the session goes on."""
    _show(shell, shell.client.approvals.approve(task_id, comment=comment, by=by))


@command(app, "reject")
def reject(
    shell: Shell, task_id: TaskArgument, comment: CommentOption = None, by: ByOption = None
) -> None:
    """Reject: the step fails with Rejected, and the comment as its message."""
    _show(shell, shell.client.approvals.reject(task_id, comment=comment, by=by))


def _show(shell: Shell, answer: ApprovalAnswer) -> None:
    if shell.as_json:
        write_json(answer)
        return
    word = "approved" if answer["approved"] else "rejected"
    by = f" by {printable(answer['by'])}" if answer["by"] else ""
    shell.console.print(f"{answer['taskId']}: {word}{by}", markup=False)

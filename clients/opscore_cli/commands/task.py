import typer

from opscore_cli.commands.options import CursorOption, LimitOption
from opscore_cli.present import Column
from opscore_cli.shell import Shell, command
from opscore_cli.times import ago, local
from opscore_client.types import OpenTask

app = typer.Typer(help="Tasks that have not ended: who has them, since when, until when.")


def _columns(shell: Shell) -> list[Column[OpenTask]]:
    return [
        Column("attempt", lambda task: task["attemptId"]),
        Column("workflow", lambda task: task["workflowId"]),
        Column("task", lambda task: task["taskDefinitionId"]),
        Column("status", lambda task: task["status"], is_status=True),
        Column("with", lambda task: task["agentId"] or task["waitingList"] or task["owner"]),
        Column("began", lambda task: ago(task["createdAt"], shell.now)),
        Column("until", lambda task: local(task["deadline"])),
        Column("session", lambda task: task["sessionId"]),
    ]


@command(app, "list")
def list_open_tasks(shell: Shell, limit: LimitOption = 50, cursor: CursorOption = None) -> None:
    """List tasks that have not ended, the oldest first."""
    shell.show_list(shell.client.tasks.open(), _columns(shell), limit, cursor)

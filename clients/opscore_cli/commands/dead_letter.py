from typing import Annotated

import typer

from opscore_cli.commands.options import CursorOption, LimitOption
from opscore_cli.present import Column, write_fields, write_json
from opscore_cli.shell import Shell, command
from opscore_cli.times import ago, local
from opscore_client.types import DeadLetter

app = typer.Typer(help="Dead letters: task messages that could not be delivered.")


def _columns(shell: Shell) -> list[Column[DeadLetter]]:
    return [
        Column("dead letter", lambda letter: letter["deadLetterId"]),
        Column("workflow", lambda letter: letter["workflowId"]),
        Column("task", lambda letter: letter["taskDefinitionId"]),
        Column("session", lambda letter: letter["sessionId"]),
        Column("recorded", lambda letter: ago(letter["recordedAt"], shell.now)),
        Column("reason", lambda letter: letter["reason"]),
    ]


@command(app, "list")
def list_dead_letters(shell: Shell, limit: LimitOption = 50, cursor: CursorOption = None) -> None:
    """List dead letters, newest first."""
    shell.show_list(shell.client.dead_letters.find(), _columns(shell), limit, cursor)


@command(app, "show")
def show_dead_letter(
    shell: Shell, dead_letter_id: Annotated[str, typer.Argument(metavar="DEAD_LETTER_ID")]
) -> None:
    """Show one dead letter with what is known of its message."""
    letter = shell.client.dead_letters.get(dead_letter_id)
    if shell.as_json:
        write_json(letter)
        return
    recorded = {"recordedAt": local(letter["recordedAt"])}
    write_fields(shell.console, {**letter, **recorded})

"""Which dead letters a command is about."""

from typing import Annotated

import typer

from opscore_cli.program import WrongUsageError
from opscore_cli.shell import Shell
from opscore_cli.times import moment, span

LetterArgument = Annotated[str, typer.Argument(metavar="DEAD_LETTER_ID")]
WorkflowOption = Annotated[str | None, typer.Option("--workflow", help="Only of this workflow.")]
CapabilityOption = Annotated[
    str | None, typer.Option("--capability", help="Only of tasks for this capability.")
]
ErrorOption = Annotated[str | None, typer.Option("--error", help="Only with this error.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="Not older: 2h, 5d, or a time in ISO 8601.")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", help="Not newer: 2h, 5d, or a time in ISO 8601.")
]


def filters(
    shell: Shell,
    workflow: str | None,
    capability: str | None,
    error: str | None,
    since: str | None,
    until: str | None,
) -> dict[str, str | None]:
    """The options as the client's filters. Raises WrongUsageError."""
    return {
        "workflow_id": workflow,
        "capability": capability,
        "error": error,
        "since": _time(shell, "--since", since),
        "until": _time(shell, "--until", until),
    }


def _time(shell: Shell, option: str, given: str | None) -> str | None:
    """A time; what is a duration lies so long back."""
    if given is None or moment(given) is not None:
        return given
    try:
        return (shell.now - span(given)).isoformat()
    except ValueError:
        message = f"{option}: {given!r} is neither a duration such as 2h nor a time in ISO 8601"
        raise WrongUsageError(message) from None

from typing import Annotated

import typer

from opscore_cli.commands.options import (
    CursorOption,
    DryRunOption,
    EveryOption,
    LimitOption,
    VersionOption,
    version_of,
)
from opscore_cli.given import read_json
from opscore_cli.present import Column, write_json
from opscore_cli.rerun_view import show_rerun
from opscore_cli.session_view import show
from opscore_cli.shell import Shell, command
from opscore_cli.story import stand
from opscore_cli.times import ago, between
from opscore_cli.watching import watch_to_its_end
from opscore_client.types import Session

app = typer.Typer(help="Sessions: the runs of workflows.")

SessionArgument = Annotated[str, typer.Argument(metavar="SESSION_ID")]


@command(app, "list")
def list_sessions(
    shell: Shell,
    status: Annotated[str | None, typer.Option(help="Only those of this status.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Only those of this workflow.")] = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
) -> None:
    """List sessions, newest first."""

    def took(session: Session) -> str:
        return between(session["startTime"], session["endTime"], shell.now)

    columns: list[Column[Session]] = [
        Column("session", lambda session: session["sessionId"]),
        Column("workflow", lambda session: session["workflowId"]),
        Column("version", lambda session: session["workflowVersion"]),
        Column("status", lambda session: session["status"], is_status=True),
        Column("started", lambda session: ago(session["startTime"], shell.now)),
        Column("duration", took),
    ]
    found = shell.client.sessions.find(status=status, workflow_id=workflow)
    shell.show_list(found, columns, limit, cursor)


@command(app, "show")
def show_session(shell: Shell, session_id: SessionArgument) -> None:
    """Show a session: its tasks with every attempt, and its story."""
    session = shell.client.sessions.get(session_id)
    if shell.as_json:
        write_json(session)
    else:
        show(shell.console, session, shell.now)


@command(app, "watch")
def watch_session(shell: Shell, session_id: SessionArgument, every: EveryOption = 0.5) -> None:
    """Watch a session until it ends; succeeds only if it completed."""
    watch_to_its_end(shell, session_id, every)


@command(app, "cancel")
def cancel_session(
    shell: Shell,
    session_id: SessionArgument,
    cleanup: Annotated[
        bool, typer.Option(help="Tidy up first, as the workflow says; or don't, or stop it.")
    ] = True,
) -> None:
    """End a session."""
    _show_status(shell, shell.client.sessions.cancel(session_id, cleanup=cleanup))


@command(app, "pause")
def pause_session(shell: Shell, session_id: SessionArgument) -> None:
    """Hold a session's further tasks back; those with agents go on."""
    _show_status(shell, shell.client.sessions.pause(session_id))


@command(app, "resume")
def resume_session(shell: Shell, session_id: SessionArgument) -> None:
    """Let a paused session go on."""
    _show_status(shell, shell.client.sessions.resume(session_id))


@command(app, "rerun")
def rerun_session(
    shell: Shell,
    session_id: SessionArgument,
    from_task: Annotated[
        str | None,
        typer.Option("--from", metavar="TASK", help="A task or step; what failed, by default."),
    ] = None,
    version: VersionOption = None,
    dry_run: DryRunOption = False,
    watch: Annotated[bool, typer.Option(help="Watch it until it ends.")] = True,
    every: EveryOption = 0.5,
) -> None:
    """Run an ended session again, keeping the results that were made."""
    planned = shell.client.sessions.rerun(
        session_id, from_task=from_task, version=version_of(version), dry_run=dry_run
    )
    new_id = planned["sessionId"]
    if new_id is None or not watch:
        show_rerun(shell, planned)
        return
    if not shell.as_json:
        show_rerun(shell, planned)
    watch_to_its_end(shell, new_id, every)


@command(app, "signal")
def signal_session(
    shell: Shell,
    session_id: SessionArgument,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    payload: Annotated[
        str | None,
        typer.Option(metavar="JSON|@FILE", help="The waiting step's result; @- is stdin."),
    ] = None,
    signal_id: Annotated[
        str | None, typer.Option("--id", help="Two signals of the same id are one.")
    ] = None,
) -> None:
    """Give a session a signal; it is kept until a step waits for its name."""
    given = None if payload is None else read_json("--payload", payload)
    answer = shell.client.sessions.signal(session_id, name, given, signal_id=signal_id)
    if shell.as_json:
        write_json(answer)
    else:
        shell.console.print(f"session {session_id} has the signal {name}", markup=False)


def _show_status(shell: Shell, session: Session) -> None:
    if shell.as_json:
        write_json(session)
    else:
        line = f"session {session['sessionId']}: {stand(session)}"
        shell.console.print(line, markup=False)

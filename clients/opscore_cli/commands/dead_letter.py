from collections.abc import Callable
from typing import Annotated, Any

import typer

from opscore_cli.commands.letter_options import (
    CapabilityOption,
    ErrorOption,
    LetterArgument,
    SinceOption,
    UntilOption,
    WorkflowOption,
    filters,
)
from opscore_cli.commands.options import (
    CursorOption,
    DryRunOption,
    LimitOption,
    VersionOption,
    version_of,
)
from opscore_cli.present import Column, write_fields, write_json, write_rows
from opscore_cli.program import CommandFailedError, WrongUsageError, complain
from opscore_cli.shell import Shell, command
from opscore_cli.story import reason
from opscore_cli.times import ago, local
from opscore_client.types import DeadLetter, Difference, LetterGroup, Replayed

app = typer.Typer(help="Dead letters: task messages that could not be delivered.")


def _columns(shell: Shell) -> list[Column[DeadLetter]]:
    return [
        Column("dead letter", lambda letter: letter["deadLetterId"]),
        Column("state", lambda letter: letter["state"], is_status=True),
        Column("workflow", lambda letter: letter["workflowId"]),
        Column("task", lambda letter: letter["taskId"]),
        Column("for", _addressee),
        Column("session", lambda letter: letter["sessionId"]),
        Column("recorded", lambda letter: ago(letter["recordedAt"], shell.now)),
        Column("error", lambda letter: letter["error"]),
    ]


def _group_columns(shell: Shell) -> list[Column[LetterGroup]]:
    return [
        Column("letters", lambda group: group["count"]),
        Column("workflow", lambda group: group["workflowId"]),
        Column("step", lambda group: group["taskDefinitionId"]),
        Column("for", _addressee),
        Column("error", lambda group: group["error"]),
        Column("first", lambda group: ago(group["firstAt"], shell.now)),
        Column("last", lambda group: ago(group["lastAt"], shell.now)),
        Column("example", lambda group: group["example"]),
    ]


def _addressee(found: DeadLetter | LetterGroup) -> str | None:
    return found["agentId"] or found["agentCapability"]


@command(app, "list")
def list_dead_letters(
    shell: Shell,
    workflow: WorkflowOption = None,
    capability: CapabilityOption = None,
    error: ErrorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    state: Annotated[
        str | None, typer.Option(help="Only those: open, replayed or discarded.")
    ] = None,
    group: Annotated[bool, typer.Option("--group", help="Alike ones together.")] = False,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
) -> None:
    """List dead letters, newest first."""
    wanted = filters(shell, workflow, capability, error, since, until) | {"state": state}
    if not group:
        shell.show_list(shell.client.dead_letters.find(**wanted), _columns(shell), limit, cursor)
        return
    groups = shell.client.dead_letters.groups(**wanted)
    if shell.as_json:
        write_json({"items": groups})
    else:
        write_rows(shell.console, _group_columns(shell), groups)


@command(app, "show")
def show_dead_letter(shell: Shell, dead_letter_id: LetterArgument) -> None:
    """Show one dead letter with what is known of its message."""
    letter = shell.client.dead_letters.get(dead_letter_id)
    if shell.as_json:
        write_json(letter)
        return
    recorded: dict[str, Any] = {"recordedAt": local(letter["recordedAt"])}
    write_fields(shell.console, {**letter, **recorded})


@command(app, "compare")
def compare_dead_letters(
    shell: Shell,
    dead_letter_id: LetterArgument,
    other_id: Annotated[str, typer.Argument(metavar="OTHER_ID")],
) -> None:
    """Show where the inputs of two dead letters differ."""
    found = shell.client.dead_letters.compare(dead_letter_id, other_id)
    if shell.as_json:
        write_json(found)
        return
    columns: list[Column[Difference]] = [
        Column("path", lambda difference: difference["path"]),
        Column(dead_letter_id, lambda difference: _side(difference["here"])),
        Column(other_id, lambda difference: _side(difference["there"])),
    ]
    write_rows(shell.console, columns, found["differences"])
    if not found["differences"]:
        complain("their inputs are the same")
    elif not found["complete"]:
        complain("they differ in more places; --json has no more either")


def _side(values: list[Any]) -> Any:
    """A side's value; texts in quotes, so that they are told from what is not there."""
    return f'"{values[0]}"' if values and isinstance(values[0], str) else next(iter(values), None)


@command(app, "replay")
def replay_dead_letters(
    shell: Shell,
    dead_letter_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[DEAD_LETTER_ID...]")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All open ones.")] = False,
    workflow: WorkflowOption = None,
    capability: CapabilityOption = None,
    error: ErrorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    to_agent: Annotated[
        str | None, typer.Option(help="Who does these tasks, instead of whom the template names.")
    ] = None,
    to_capability: Annotated[
        str | None, typer.Option(help="The capability that does them instead.")
    ] = None,
    version: VersionOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Run the sessions of dead letters again from their tasks: of some, or by filter."""
    letters = shell.client.dead_letters
    wanted = filters(shell, workflow, capability, error, since, until)
    filtered = any(value is not None for value in wanted.values())
    if (bool(dead_letter_ids), every, filtered).count(True) != 1:
        raise WrongUsageError("give ids of dead letters, or filters, or --all")
    if to_agent is not None and to_capability is not None:
        raise WrongUsageError("give --to-agent or --to-capability, not both")
    on = version_of(version)
    done = (
        [
            letters.replay(
                one, agent_id=to_agent, capability=to_capability, version=on, dry_run=dry_run
            )
            for one in dead_letter_ids
        ]
        if dead_letter_ids
        else [
            *letters.replay_all(
                agent_id=to_agent,
                to_capability=to_capability,
                version=on,
                dry_run=dry_run,
                **wanted,
            )
        ]
    )
    if shell.as_json:
        write_json({"items": done})
    else:
        write_rows(shell.console, _REPLAYED, done)
    refused = [one for one in done if one["error"]]
    if refused:
        raise CommandFailedError(f"{len(refused)} of {len(done)} dead letters can't be replayed")


def _what_became_of(replayed: Replayed) -> str:
    if replayed["error"]:
        return reason(
            {"code": replayed["error"]["code"], "message": str(replayed["error"]["detail"])}
        )
    if replayed["again"]:
        return "replayed before"
    return "would be replayed" if replayed["sessionId"] is None else "replayed"


def _planned(name: str) -> Callable[[Replayed], str | None]:
    """A list of the plan in one line, where there is a plan."""

    def show(replayed: Replayed) -> str | None:
        rerun: Any = replayed["rerun"]
        return None if rerun is None else ", ".join(rerun[name])

    return show


def _onto(replayed: Replayed) -> str | None:
    onto = None if replayed["rerun"] is None else replayed["rerun"]["onto"]
    return None if onto is None else onto["agentId"] or onto["agentCapability"]


_REPLAYED: list[Column[Replayed]] = [
    Column("dead letter", lambda replayed: replayed["deadLetterId"]),
    Column("session", lambda replayed: replayed["sessionId"]),
    Column("from", _planned("fromTasks")),
    Column("kept", _planned("kept")),
    Column("onto", _onto),
    Column("outcome", _what_became_of),
]


@command(app, "discard")
def discard_dead_letters(
    shell: Shell,
    dead_letter_ids: Annotated[list[str], typer.Argument(metavar="DEAD_LETTER_ID...")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays on record.")],
) -> None:
    """Settle dead letters for good, without their tasks being done."""
    discarded = [shell.client.dead_letters.discard(one, reason=reason) for one in dead_letter_ids]
    if shell.as_json:
        write_json({"items": discarded})
    else:
        write_rows(shell.console, _columns(shell), discarded)

import sys
from pathlib import Path
from typing import Annotated

import typer

from opscore_cli.commands.options import EveryOption
from opscore_cli.given import read_json
from opscore_cli.present import write_json
from opscore_cli.program import CommandFailedError, WrongUsageError
from opscore_cli.shell import Shell, command
from opscore_cli.templates import SUFFIXES, read, write_findings
from opscore_cli.watching import watch_to_its_end
from opscore_client.types import JsonObject


def add_to(app: typer.Typer) -> None:
    """Add `run` to the root command."""
    command(app, "run")(run)


def run(
    shell: Shell,
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW_ID|FILE", help="Id or template.")],
    agent: Annotated[
        str | None,
        typer.Option("--agent", help="The session's own agent."),
    ] = None,
    given: Annotated[
        str | None,
        typer.Option("--input", metavar="JSON|@FILE", help="The session's input; @- is stdin."),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key finds the session it started before.")
    ] = None,
    watch: Annotated[bool, typer.Option(help="Watch it until it ends.")] = True,
    every: EveryOption = 0.5,
) -> None:
    """Start a session and watch it; with --watch it succeeds only if the session completed."""
    started = shell.client.sessions.trigger(
        _workflow(shell, workflow),
        payload=_payload(given),
        agent_id=agent,
        idempotency_key=idempotency_key,
    )
    if watch:
        if not shell.as_json:
            shell.console.print(f"session {started['sessionId']}", markup=False)
        watch_to_its_end(shell, started["sessionId"], every)
    elif shell.as_json:
        write_json(started)
    else:
        sys.stdout.write(f"{started['sessionId']}\n")


def _workflow(shell: Shell, workflow: str) -> str | JsonObject:
    """An id as it is; a file as an inline template, checked first, so that errors have places."""
    path = Path(workflow)
    if path.suffix not in SUFFIXES:
        return workflow
    template = read(path)
    report = shell.client.workflows.validate(template.text, content_type=template.content_type)
    write_findings(path, report, sys.stderr.write)
    if not report["valid"]:
        raise CommandFailedError(f"{path} is not valid")
    return template.document()


def _payload(given: str | None) -> JsonObject | None:
    if given is None:
        return None
    payload = read_json("--input", given)
    if not isinstance(payload, dict):
        raise WrongUsageError("--input must be a JSON object")
    return payload

"""The `opscore` command."""

from importlib.metadata import version
from typing import Annotated

import typer

from opscore_cli.commands import (
    agent,
    approval,
    dead_letter,
    key,
    policy,
    quarantine,
    run,
    session,
    task,
    trial,
    workflow,
)
from opscore_cli.program import Program
from opscore_cli.shell import JsonOption, KeyFileOption, Outside, Shell, UrlOption

# No pretty tracebacks: they print local variables, and one of those may be a key.
app = typer.Typer(cls=Program, name="opscore", no_args_is_help=True, pretty_exceptions_enable=False)
trial.add_to(workflow.app)
policy.add_to_workflows(workflow.app)
app.add_typer(workflow.app, name="workflow", no_args_is_help=True)
run.add_to(app)
app.add_typer(session.app, name="session", no_args_is_help=True)
app.add_typer(approval.app, name="approval", no_args_is_help=True)
app.add_typer(task.app, name="task", no_args_is_help=True)
app.add_typer(agent.app, name="agent", no_args_is_help=True)
app.add_typer(quarantine.app, name="quarantine", no_args_is_help=True)
app.add_typer(dead_letter.app, name="dead-letter", no_args_is_help=True)
app.add_typer(policy.app, name="policy", no_args_is_help=True)
app.add_typer(policy.capability, name="capability", no_args_is_help=True)
app.add_typer(key.app, name="key", no_args_is_help=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("ops-core"))
        raise typer.Exit


@app.callback()
def opscore(
    context: typer.Context,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Operate fleets of AI agents: apply workflows, run them, watch what happens."""
    outside = context.obj if isinstance(context.obj, Outside) else Outside()
    context.obj = Shell(outside, url, key_file, as_json)

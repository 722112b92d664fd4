import sys
from typing import Annotated

import typer

from opscore_cli.keys import Scope, make, store, table_of_stack
from opscore_cli.present import write_json
from opscore_cli.program import WrongUsageError, complain
from opscore_cli.shell import Shell, command
from opscore_cli.times import span

app = typer.Typer(help="API keys, made with your own AWS credentials.")


@app.callback()
def keys() -> None:
    """Keep `create` a subcommand: typer would otherwise fold a lone one into its group."""


@command(app, "create")
def create(
    shell: Shell,
    scope: Annotated[
        Scope, typer.Option(help="What it may do; admin includes operator, operator agent.")
    ],
    name: Annotated[str, typer.Option(help="Whose it is, or what for.")],
    expires_in: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Such as 12h or 90d; else never.")
    ] = None,
    stack: Annotated[str | None, typer.Option(help="The deployed stack, by its name.")] = None,
    table: Annotated[str | None, typer.Option(help="Or its Keys table, by its name.")] = None,
) -> None:
    """Make a key and print it, once; only its hash is kept."""
    if (stack is None) == (table is None):
        raise WrongUsageError("give either --stack or --table")
    try:
        expires = shell.now + span(expires_in) if expires_in else None
    except ValueError as error:
        raise WrongUsageError(f"--expires-in: {error}") from error
    key = make(scope, name, shell.now, expires)
    store(key, table or table_of_stack(stack or ""))
    if shell.as_json:
        until = expires.isoformat(timespec="seconds") if expires else None
        write_json({"key": key.text, "scope": scope, "name": name, "expiresAt": until})
        return
    sys.stdout.write(f"{key.text}\n")
    if sys.stdout.isatty():
        complain("keep it now: it is not shown again")

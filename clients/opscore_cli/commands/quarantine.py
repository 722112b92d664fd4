from typing import Annotated

import typer

from opscore_cli.commands.options import CursorOption, LimitOption
from opscore_cli.present import Column, write_json
from opscore_cli.program import WrongUsageError
from opscore_cli.shell import Shell, command
from opscore_cli.times import local
from opscore_client.types import Quarantine

app = typer.Typer(help="Quarantines: agents, capabilities and versions that are kept from work.")

AgentOption = Annotated[str | None, typer.Option("--agent", help="An agent's id.")]
CapabilityOption = Annotated[str | None, typer.Option(help="A capability, of whatever agent.")]
VersionOption = Annotated[str | None, typer.Option("--agent-version", help="A version of agents.")]
ReasonOption = Annotated[str, typer.Option(help="Why, for others to read.")]

COLUMNS: list[Column[Quarantine]] = [
    Column("what", lambda found: found["what"]),
    Column("name", lambda found: found["name"]),
    Column("since", lambda found: local(found["since"])),
    Column("by", lambda found: found["by"]),
    Column("applied", lambda found: "yes" if found["applied"] else "no"),
    Column("released", lambda found: local(found["releasedAt"])),
    Column("reason", lambda found: found["reason"]),
]


@command(app, "list")
def list_quarantines(
    shell: Shell,
    past: Annotated[bool, typer.Option("--past", help="Those that are over.")] = False,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
) -> None:
    """List what is kept from work."""
    shell.show_list(shell.client.quarantines.find(past=past), COLUMNS, limit, cursor)


@command(app, "add")
def add_quarantine(
    shell: Shell,
    reason: ReasonOption,
    agent: AgentOption = None,
    capability: CapabilityOption = None,
    version: VersionOption = None,
) -> None:
    """Keep an agent, a capability or a version from work; its open tasks fail with AgentLost."""
    _one_of(agent, capability, version)
    found = shell.client.quarantines.impose(
        reason, agent_id=agent, capability=capability, version=version
    )
    show(shell, found, "is in quarantine")


@command(app, "release")
def release_quarantine(
    shell: Shell,
    agent: AgentOption = None,
    capability: CapabilityOption = None,
    version: VersionOption = None,
) -> None:
    """Let it work again."""
    _one_of(agent, capability, version)
    found = shell.client.quarantines.release(agent_id=agent, capability=capability, version=version)
    show(shell, found, "is released")


def _one_of(*subjects: str | None) -> None:
    if sum(subject is not None for subject in subjects) != 1:
        raise WrongUsageError("give one of --agent, --capability and --agent-version")


def show(shell: Shell, found: Quarantine, done: str) -> None:
    """What has been done, and whether all agents know."""
    if shell.as_json:
        write_json(found)
        return
    more = "" if found["applied"] else "; its agents are being seen to"
    shell.console.print(f"{found['what']} {found['name']} {done}{more}", markup=False)

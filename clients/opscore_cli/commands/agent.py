from typing import Annotated

import typer

from opscore_cli.commands.options import CursorOption, LimitOption
from opscore_cli.present import Column, write_fields, write_json
from opscore_cli.shell import Shell, command
from opscore_cli.times import ago, local
from opscore_client.types import Agent

app = typer.Typer(help="Agents: who there is, what they can do, how they are.")


def _columns(shell: Shell) -> list[Column[Agent]]:
    return [
        Column("agent", lambda agent: agent["agentId"]),
        Column("state", lambda agent: agent["state"], is_status=True),
        Column("free", lambda agent: "yes" if agent["eligible"] else "no"),
        Column("tasks", lambda agent: len(agent["openTasks"])),
        Column("seen", lambda agent: ago(agent["lastSeenAt"], shell.now)),
        Column("capabilities", lambda agent: ", ".join(agent["capabilities"])),
    ]


@command(app, "list")
def list_agents(
    shell: Shell,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    capability: Annotated[str | None, typer.Option(help="Only those with it.")] = None,
    condition: Annotated[
        str | None, typer.Option(help="Only those that are quarantined, unresponsive or stale.")
    ] = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
) -> None:
    """List agents."""
    found = shell.client.agents.find(state=state, capability=capability, condition=condition)
    shell.show_list(found, _columns(shell), limit, cursor)


@command(app, "quarantine")
def quarantine_agent(
    shell: Shell,
    agent_id: Annotated[str, typer.Argument(metavar="AGENT_ID")],
    reason: Annotated[str, typer.Option(help="Why, for others to read.")],
) -> None:
    """Keep an agent from work; its open tasks fail with AgentLost and may be retried elsewhere."""
    agent = shell.client.agents.quarantine(agent_id, reason=reason)
    if shell.as_json:
        write_json(agent)
    else:
        shell.console.print(f"agent {agent_id} is in quarantine", markup=False)


@command(app, "release")
def release_agent(
    shell: Shell, agent_id: Annotated[str, typer.Argument(metavar="AGENT_ID")]
) -> None:
    """Let an agent work again."""
    agent = shell.client.agents.release(agent_id)
    if shell.as_json:
        write_json(agent)
    else:
        shell.console.print(f"agent {agent_id} is released", markup=False)


@command(app, "deregister")
def deregister_agent(
    shell: Shell, agent_id: Annotated[str, typer.Argument(metavar="AGENT_ID")]
) -> None:
    """Forget an agent; what it was doing is lost and may be retried elsewhere."""
    answer = shell.client.agents.deregister(agent_id)
    if shell.as_json:
        write_json(answer)
    else:
        shell.console.print(f"agent {agent_id} is deregistered", markup=False)


@command(app, "show")
def show_agent(shell: Shell, agent_id: Annotated[str, typer.Argument(metavar="AGENT_ID")]) -> None:
    """Show one agent."""
    agent = shell.client.agents.get(agent_id)
    if shell.as_json:
        write_json(agent)
        return
    write_fields(
        shell.console,
        {
            "agent": agent["agentId"],
            "name": agent["agentName"],
            "version": agent["version"],
            "state": agent["state"],
            "details": agent["details"],
            "free": "yes" if agent["eligible"] else "no",
            "tasks": ", ".join(agent["openTasks"]),
            "in quarantine": "; ".join(
                f"{mark['what']} {mark['name']}: {mark['reason']}" for mark in agent["quarantines"]
            ),
            "unresponsive since": local(agent["unresponsiveSince"]),
            "cooling down until": local(agent["cooldownUntil"]),
            "draining": ", ".join(slot["attemptId"] for slot in agent["draining"]),
            "at once": agent["maxConcurrency"],
            "capabilities": ", ".join(agent["capabilities"]),
            "endpoint": agent["contactEndpoint"],
            "transport": agent["transport"],
            "seen": f"{local(agent['lastSeenAt'])} ({ago(agent['lastSeenAt'], shell.now)})",
            "stale": "yes" if agent["stale"] else "no",
            "registered": local(agent["registeredAt"]),
            "metadata": agent["metadata"],
        },
    )

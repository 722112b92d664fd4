from typing import Annotated

import typer

from opscore_cli.commands.options import CursorOption, LimitOption
from opscore_cli.present import Column, write_fields, write_json
from opscore_cli.shell import Shell, command
from opscore_cli.times import ago, local
from opscore_client.types import Policy

app = typer.Typer(help="Policies: limits, rates and pauses of capabilities and workflows.")
capability = typer.Typer(help="Capabilities: paused and resumed.")

KindArgument = Annotated[str, typer.Argument(metavar="KIND", help="capability or workflow.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Which of them.")]
ReasonOption = Annotated[str | None, typer.Option(help="Why, for those who look later.")]


def _columns(shell: Shell) -> list[Column[Policy]]:
    return [
        Column("kind", lambda policy: policy["kind"]),
        Column("name", lambda policy: policy["name"]),
        Column("paused", lambda policy: "paused" if policy["paused"] else "no", is_status=True),
        Column("at once", lambda policy: policy["maxConcurrent"]),
        Column("per second", lambda policy: policy["ratePerSecond"]),
        Column("changed", lambda policy: ago(policy["updatedAt"], shell.now)),
        Column("by", lambda policy: policy["updatedBy"]),
        Column("reason", lambda policy: policy["reason"]),
    ]


@command(app, "list")
def list_policies(
    shell: Shell,
    kind: Annotated[str | None, typer.Option(help="capability or workflow.")] = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
) -> None:
    """List what is limited or paused."""
    shell.show_list(shell.client.policies.find(kind=kind), _columns(shell), limit, cursor)


@command(app, "show")
def show_policy(shell: Shell, kind: KindArgument, name: NameArgument) -> None:
    """Show what is asked of one capability or workflow."""
    _show(shell, shell.client.policies.get(kind, name))


@command(app, "set")
def set_policy(
    shell: Shell,
    kind: KindArgument,
    name: NameArgument,
    max_concurrent: Annotated[int | None, typer.Option(help="Tasks at once.")] = None,
    rate: Annotated[float | None, typer.Option(help="Tasks handed out per second.")] = None,
    burst: Annotated[int | None, typer.Option(help="Tasks at once after a pause.")] = None,
    reason: ReasonOption = None,
) -> None:
    """Set the limits, all of them; one that is left out is none. A pause stays."""
    policy = shell.client.policies.put(
        kind, name, max_concurrent=max_concurrent, rate_per_second=rate, burst=burst, reason=reason
    )
    _show(shell, policy)


@command(app, "clear")
def clear_policy(shell: Shell, kind: KindArgument, name: NameArgument) -> None:
    """Take limits and pause away; what waits goes on."""
    answer = shell.client.policies.clear(kind, name)
    if shell.as_json:
        write_json(answer)
    else:
        shell.console.print(f"{kind} {name}: no limits", markup=False)


@command(capability, "pause")
def pause_capability(shell: Shell, name: NameArgument, reason: ReasonOption = None) -> None:
    """Hand out no more tasks that ask for it; those with agents go on."""
    _show_pause(shell, shell.client.policies.pause("capability", name, reason))


@command(capability, "resume")
def resume_capability(shell: Shell, name: NameArgument, reason: ReasonOption = None) -> None:
    """Hand out its tasks again."""
    _show_pause(shell, shell.client.policies.resume("capability", name, reason))


def add_to_workflows(workflows: typer.Typer) -> None:
    """Pausing is a thing of workflows too."""

    @command(workflows, "pause")
    def pause_workflow(shell: Shell, name: NameArgument, reason: ReasonOption = None) -> None:
        """Hand out no more tasks of its sessions; those with agents go on."""
        _show_pause(shell, shell.client.policies.pause("workflow", name, reason))

    @command(workflows, "resume")
    def resume_workflow(shell: Shell, name: NameArgument, reason: ReasonOption = None) -> None:
        """Hand out its tasks again."""
        _show_pause(shell, shell.client.policies.resume("workflow", name, reason))


def _show_pause(shell: Shell, policy: Policy) -> None:
    if shell.as_json:
        write_json(policy)
    else:
        stands = "paused" if policy["paused"] else "not paused"
        shell.console.print(f"{policy['kind']} {policy['name']}: {stands}", markup=False)


def _show(shell: Shell, policy: Policy) -> None:
    if shell.as_json:
        write_json(policy)
        return
    shown = {
        "kind": policy["kind"],
        "name": policy["name"],
        "paused": "paused" if policy["paused"] else "no",
        "at once": policy["maxConcurrent"],
        "per second": policy["ratePerSecond"],
        "burst": policy["burst"],
        "changed": local(policy["updatedAt"]),
        "by": policy["updatedBy"],
        "reason": policy["reason"],
    }
    write_fields(shell.console, shown)

"""What a rerun keeps and does again, for people."""

from typing import Any

from opscore_cli.present import write_fields, write_json
from opscore_cli.shell import Shell
from opscore_client.types import Rerun


def show_rerun(shell: Shell, planned: Rerun) -> None:
    """A rerun that was started, or would be."""
    if shell.as_json:
        write_json(planned)
        return
    fields: dict[str, Any] = {
        "session": planned["sessionId"] or "none: a dry run",
        "rerun of": planned["rerunOf"],
        "workflow": f"{planned['workflowId']} version {planned['workflowVersion'] or '-'}",
        "from": ", ".join(planned["fromTasks"]),
        "kept": ", ".join(planned["kept"]),
    }
    if planned["onto"]:
        fields["onto"] = planned["onto"]["agentId"] or planned["onto"]["agentCapability"]
    write_fields(shell.console, fields)

from opscore_cli.present import printable, write_json
from opscore_cli.program import CommandFailedError, complain
from opscore_cli.session_view import follow
from opscore_cli.shell import Shell
from opscore_cli.story import reason
from opscore_client.types import Session


def watch_to_its_end(shell: Shell, session_id: str, every: float) -> None:
    """Show a session until it ends. Raises CommandFailedError unless it completed."""
    seen = shell.client.sessions.watch(session_id, every=every)
    try:
        if shell.as_json:
            *_, session = seen
            write_json(session)
        else:
            session = follow(shell.console, seen, shell.outside.now)
    except KeyboardInterrupt:
        complain(f"the session goes on; look again with: opscore session watch {session_id}")
        raise
    _insist_on_completed(session)


def _insist_on_completed(session: Session) -> None:
    if session["status"] != "completed":
        why = f": {reason(session['error'])}" if session["error"] else ""
        name = printable(session["sessionId"])
        raise CommandFailedError(f"session {name} {session['status']}{why}")

"""Every way a command can end badly, as one line on stderr and an exit status.

0 done; 1 failed (Ops-Core said no, or could not be asked); 2 wrong usage; 130 interrupted.
"""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from opscore_client import OpsCoreError


class CommandFailedError(Exception):
    """A command could not do what it was asked; the text is for the person who asked."""


class WrongUsageError(CommandFailedError):
    """The command line asks for something that makes no sense; nothing was tried."""


class Program(TyperGroup):
    """The root command. The one place where errors become words and exit statuses."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run one command line and exit."""
        extra["standalone_mode"] = False  # errors come here rather than into boxes of their own
        try:
            status = super().main(*args, **extra)
        except typer.TyperException as error:
            # Without arguments, typer has shown the help already and has nothing to add.
            if message := error.format_message():
                complain(message)
            status = error.exit_code
        except WrongUsageError as error:
            complain(str(error))
            status = 2
        except (OpsCoreError, CommandFailedError) as error:
            complain(str(error))
            status = 1
        except typer.Abort:
            complain("interrupted")
            status = 130
        sys.exit(status or 0)


def complain(message: str) -> None:
    """Say what went wrong on stderr; stdout is for results only."""
    sys.stderr.write(f"opscore: {message}\n")

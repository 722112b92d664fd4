"""The local stack from the command line: `python -m infra.local up|down|status|sweep|run`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from types import FrameType

from infra.local.errors import LocalStackError
from infra.local.settings import LocalSettings
from infra.local.stack import OPERATOR_KEY, WEBHOOK_SECRET, LocalStack


def up(stack: LocalStack) -> None:
    """Bring the stack up and say where it is."""
    started = time.monotonic()
    stack.up()
    directory = stack.settings.directory
    print(f"up in {time.monotonic() - started:.0f} s")
    print(f"  base URL        {stack.addresses.base_url}")
    print(f"  operator's key  {directory / OPERATOR_KEY}")
    print(f"  webhook secret  {directory / WEBHOOK_SECRET}")
    print(f"  AgentKit        {stack.addresses.agentkit_url}")
    print(f"  AWS endpoint    {stack.addresses.aws_endpoint}")
    print(f"  logs            {directory / 'logs'}")


def down(stack: LocalStack) -> None:
    """End the stack."""
    stack.down()
    print("the local stack is down")


def status(stack: LocalStack) -> None:
    """Say what runs; raises LocalStackError when the stack is not up."""
    for name in stack.processes.names():
        print(f"{name:16} {'running' if stack.processes.running(name) else 'dead'}")
    if not stack.is_up:
        raise LocalStackError("the local stack is not up")
    print(f"up at {stack.addresses.base_url}")


def sweep(stack: LocalStack) -> None:
    """Run the sweeper now."""
    stack.sweep()


def run(stack: LocalStack, command: list[str]) -> int:
    """Run a command on a stack made from nothing, which ends with it; the command's status."""
    stack.down()
    stack.forget()
    try:
        stack.up()
        return subprocess.run(command, check=False).returncode  # noqa: S603  the caller's own
    finally:
        stack.down()


def end(number: int, _frame: FrameType | None) -> None:
    """Leave by way of every `finally`."""
    sys.exit(128 + number)


COMMANDS = {"up": up, "down": down, "status": status, "sweep": sweep}


def main() -> int:
    """Run one command; 1 and one message on stderr when it fails."""
    parser = argparse.ArgumentParser(prog="infra.local", description=__doc__)
    parser.add_argument("command", choices=[*COMMANDS, "run"])
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what `run` runs")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    try:
        stack = LocalStack(LocalSettings.read(os.environ))
        if given.command == "run":
            return run(stack, given.arguments)
        COMMANDS[given.command](stack)
    except LocalStackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""JSON that is given on a command line: as text, from a file (@FILE) or from stdin (@-)."""

import json
import sys
from pathlib import Path
from typing import Any

from opscore_cli.program import WrongUsageError


def read_json(option: str, given: str) -> Any:
    """The value. Raises WrongUsageError, naming the option."""
    try:
        return json.loads(_text(given[1:]) if given.startswith("@") else given)
    except OSError as error:
        raise WrongUsageError(f"{option}: cannot read {given[1:]}: {error.strerror}") from error
    except ValueError as error:
        raise WrongUsageError(f"{option} is not JSON: {error}") from error


def _text(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")

"""`python -m infra.demo`: the demo on a local stack that is up; 0 only if all went as promised."""

import os
import sys

from rich.console import Console

from infra.demo.demo import run
from infra.local.errors import LocalStackError
from infra.local.settings import LocalSettings
from infra.local.stack import LocalStack
from opscore_client import OpsCoreError


def main() -> int:
    """Run the demo; 1 and one message on stderr when it cannot be run."""
    try:
        stack = LocalStack(LocalSettings.read(os.environ))
        return 0 if run(stack, Console(highlight=False)) else 1
    except (LocalStackError, OpsCoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

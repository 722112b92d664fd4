"""The command-line tools of the local stack, and the environment that they run in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from infra.local.errors import LocalStackError
from infra.local.settings import ARCHITECTURE, REGION, ROOT, RUNTIME

VENV = ROOT / ".venv"
SAM = VENV / "tools" / "sam" / "bin" / "sam"
EMULATOR_PYTHON = VENV / "tools" / "ministack" / "bin" / "python"

# What a person has set up for the real AWS must not leak into the local one, or the other way.
FOREIGN = ("AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_SESSION_TOKEN", "PYTHONPATH", "PYTHONHOME")

# Where no bytecode is kept, every process compiles its thousand modules again.
SLOW = ("PYTHONDONTWRITEBYTECODE",)


def environment(**more: str) -> dict[str, str]:
    """The environment of a process of the local stack."""
    inherited = {name: value for name, value in os.environ.items() if name not in FOREIGN + SLOW}
    return {
        **inherited,
        "PATH": os.pathsep.join([str(VENV / "bin"), inherited.get("PATH", os.defpath)]),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


def sam_environment(directory: Path, **more: str) -> dict[str, str]:
    """SAM CLI's environment: no telemetry, no look for a newer version, state of its own."""
    app_directory = directory / "sam"
    app_directory.mkdir(parents=True, exist_ok=True)
    checked = {"lastVersionCheck": datetime.now(UTC).timestamp(), "telemetryEnabled": False}
    (app_directory / "metadata.json").write_text(json.dumps(checked))
    return environment(
        __SAM_CLI_APP_DIR=str(app_directory),
        SAM_CLI_TELEMETRY="0",
        SAM_CLI_POLL_DELAY="0.2",
        RUNTIME=RUNTIME,
        ARCHITECTURE=ARCHITECTURE,
        **more,
    )


def run(command: Sequence[str | Path], env: Mapping[str, str], log: Path, failure: str) -> None:
    """Run a tool to its end, its output in a log; raises LocalStackError when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        result = subprocess.run(  # noqa: S603  the stack's own commands
            [str(part) for part in command],
            cwd=ROOT,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode != 0:
        raise LocalStackError(failure, log)


def check_installed() -> None:
    """Raises LocalStackError when `make install` has not been run."""
    missing = [tool for tool in (SAM, EMULATOR_PYTHON) if not tool.exists()]
    if missing or Path(sys.prefix).resolve() != VENV.resolve():
        raise LocalStackError("the environment is not complete: run `make install`")

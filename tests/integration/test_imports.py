"""Importing a function does nothing: whatever it needs is read and made at its first call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.aws import PARAMETERS, Template

ROOT = Path(__file__).parents[2]
FUNCTIONS = Template(PARAMETERS).functions()

OF_THE_RUNTIME = {"AWS_EXECUTION_ENV", "AWS_LAMBDA_INITIALIZATION_TYPE"}
"""What Powertools asks at its import: how Lambda runs it, which is not ours to set."""

# Runs in an interpreter of its own: imports the handler, prints what that did.
PROBE = """
import json, os, sys

function = sys.argv[1]
seen = {"events": [], "read": []}

def audit(event, args):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen"):
        seen["events"].append(event)

class Watched(type(os.environ)):
    def __getitem__(self, name):
        seen["read"].append(name)
        return super().__getitem__(name)

sys.addaudithook(audit)
os.environ.__class__ = Watched
__import__(f"functions.{function}.app")
seen["modules"] = sorted(sys.modules)
seen["events"] = list(seen["events"])
json.dump(seen, sys.stdout)
"""


def imported(function: str) -> dict[str, list[str]]:
    """What importing a handler did, with no setting set."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    environment = kept | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'shared'}"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, function],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    seen: dict[str, list[str]] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_import_reads_no_setting_and_makes_nothing(function: str) -> None:
    settings = Template(PARAMETERS).environment(function)

    seen = imported(function)

    assert seen["events"] == []
    assert set(seen["read"]) & settings.keys() == set()
    assert {name for name in seen["read"] if name.startswith("AWS_")} <= OF_THE_RUNTIME
    # Who has not imported these has no client of AWS and no session over HTTP.
    assert {"boto3", "requests"} & set(seen["modules"]) == set()

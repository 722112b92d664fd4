"""How long each function takes to import, as a ratio to `import boto3` in the same run.

A ratio holds on any machine. Each figure is the median of several fresh interpreters, taken in
turns, so that what slows the machine down slows all alike. A function imports boto3 itself, with
the first call that needs it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROUNDS = 7

_CLOCKED = """
import sys, time
sys.path[:0] = [{root!r}, {shared!r}]
began = time.perf_counter()
import {module}
print(time.perf_counter() - began)
"""


def seconds(module: str) -> float:
    """The time that a fresh interpreter takes to import a module."""
    code = _CLOCKED.format(root=str(ROOT), shared=str(ROOT / "shared"), module=module)
    done = subprocess.run(  # noqa: S603 (our own interpreter, our own code)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    handlers = sorted((ROOT / "functions").glob("*/app.py"))
    modules = ["boto3", *(f"functions.{path.parent.name}.app" for path in handlers)]
    for module in modules:
        seconds(module)  # writes the .pyc files
    taken: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(ROUNDS):
        for module in modules:
            taken[module].append(seconds(module))
    medians = {module: statistics.median(times) for module, times in taken.items()}
    for module, median in medians.items():
        sys.stdout.write(f"{module:<36} {median * 1000:6.0f} ms {median / medians['boto3']:6.2f}\n")


if __name__ == "__main__":
    main()

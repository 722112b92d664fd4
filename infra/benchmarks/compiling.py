"""How long a template of 1,000 tasks takes to be checked and compiled, on one core."""

from __future__ import annotations

import statistics
import sys
import time

from opscore.workflows.checks import check
from opscore.workflows.compiler import compile_workflow

ROUNDS = 5
TASKS = 1_000


def main() -> None:
    """Measure and print."""
    tasks = [
        {
            "taskId": f"t{n}",
            "agentCapability": "text.classify",
            "parameters": {"before": f"{{% $tasks.t{n - 1}.x %}}" if n else "{% $input.x %}"},
            "retry": {"maxRetries": 1},
        }
        for n in range(TASKS)
    ]
    template = {"id": "large", "name": "Large", "tasks": tasks}
    checking, compiling = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        workflow = check(template).require()
        checked = time.perf_counter()
        definition = compile_workflow(workflow, "https://sqs.us-east-1.amazonaws.com/1/tasks")
        compiling.append(time.perf_counter() - checked)
        checking.append(checked - began)
    for name, times in (("check", checking), ("compile", compiling)):
        sys.stdout.write(f"{name} {TASKS:,} tasks {statistics.median(times) * 1000:16.0f} ms\n")
    sys.stdout.write(f"definition {len(definition.encode()):24,} bytes\n")


if __name__ == "__main__":
    main()

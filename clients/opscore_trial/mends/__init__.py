"""moto's Step Functions interpreter (5.2.5), mended where it differs from AWS.

Each mend is one function named for what then holds; its docstring names the defect. A test takes
each away and sees it missed.
"""

from __future__ import annotations

from opscore_trial.mends import expressions, failures, flow, iterations, tasks
from opscore_trial.patching import Mend

MENDS: tuple[Mend, ...] = (
    *expressions.MENDS,
    *tasks.MENDS,
    *failures.MENDS,
    *flow.MENDS,
    *iterations.MENDS,
)

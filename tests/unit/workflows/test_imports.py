from __future__ import annotations

import subprocess
import sys


def test_no_library_is_loaded_before_a_template_is_checked() -> None:
    program = """
import sys
import opscore.workflows.checks, opscore.workflows.compiler, opscore.workflows.shipped
print(sorted({"yaml", "jsonata", "boto3"} & set(sys.modules)))
"""

    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert loaded.stdout.strip() == "[]"

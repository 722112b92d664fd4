"""What a dispatch costs as the fleet and the waiting lists grow: measured, and written into
docs/scale.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.growth import table

DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"
BEGINS, ENDS = "<!-- growth -->\n", "<!-- growth end -->"


def kept() -> str:
    """The table as the document has it."""
    return DOCUMENT.read_text().split(BEGINS)[1].split(ENDS)[0].strip()


def main() -> None:
    """Measure, write and print."""
    before, rest = DOCUMENT.read_text().split(BEGINS)
    _, after = rest.split(ENDS)
    found = table()
    DOCUMENT.write_text(f"{before}{BEGINS}{found}\n{ENDS}{after}")
    sys.stdout.write(found + "\n")


if __name__ == "__main__":
    main()

"""What `sam build` made, as `sam deploy` takes it soonest: zipped, its template in JSON.

`sam deploy` zips folders each time, and reads YAML seven times, slowly.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path

import yaml

LOCATIONS = ("CodeUri", "ContentUri")


def pack(template: Path) -> Path:
    """The packed form of a built template; it is made once for each build."""
    packed = template.parent / "packed"
    with template.with_name("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not packed.exists():
            _pack(template, packed)
    return packed / "template.json"


def _pack(template: Path, packed: Path) -> None:
    fresh = packed.with_name("packing")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    read = yaml.safe_load(template.read_text())
    for resource in read["Resources"].values():
        properties = resource.get("Properties", {})
        for location in LOCATIONS:
            folder = properties.get(location)
            if folder is not None:
                shutil.make_archive(str(fresh / folder), "zip", template.parent / folder)
                properties[location] = f"{folder}.zip"
    (fresh / "template.json").write_text(json.dumps(read))
    fresh.rename(packed)

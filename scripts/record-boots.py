"""Record boots of real firmware that are not yet recorded, one after the other, until time is up.

    sudo .venv/bin/python scripts/record-boots.py ROWS.json [--minutes 5] [--only PATTERN]

Lays each scenario of tests/recording out in network namespaces, powers its machine on in QEMU and adds a row
to ROWS.json, which `python -m tests.truth` judges. Rows that are there are left alone, so that it can be
started again and again. Exit code 0: everything is recorded. 3: some are left.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PATH"] = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
)

from tests.harness.namespaces import HarnessError  # noqa: E402 after the path to it
from tests.recording import scenarios  # noqa: E402
from tests.recording.recorder import record  # noqa: E402


def main() -> int:
    """Record what is left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--only", default="", help="a regular expression on the ids")
    given = parser.parse_args()
    document = json.loads(given.rows.read_text()) if given.rows.exists() else {"results": []}
    known = {row["id"] for row in document["results"]}
    left = [s for s in scenarios() if s["id"] not in known and re.search(given.only, s["id"])]
    until = time.monotonic() + 60 * given.minutes
    while left and time.monotonic() < until:
        scenario = left.pop(0)
        try:
            row = record(scenario)
        except HarnessError as error:
            sys.stderr.write(f"{scenario['id']}: {error}\n")
            continue
        document["results"].append(row)
        given.rows.write_text(_text(document))
        sys.stderr.write(f"{row['id']}: {row['winner']} {row['file']}, {row['ended']}\n")
    return 3 if left else 0


def _text(document: dict[str, Any]) -> str:
    """The file: a row a line, so that a row more is a line more."""
    rows = ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in document["results"])
    about = json.dumps(document.get("about", ""))
    return f'{{"about": {about},\n "results": [\n  {rows}\n ]\n}}\n'


if __name__ == "__main__":
    sys.exit(main())

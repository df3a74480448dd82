"""The command: judge every row of the files given."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.truth import judge


def main(arguments: list[str]) -> int:
    """Judge every row of the files given."""
    rows: list[Mapping[str, Any]] = []
    for name in arguments:
        document = json.loads(Path(name).read_text(encoding="utf-8"))
        rows += document["results"] if isinstance(document, dict) else document
    reports = []
    groups: dict[str, list[int]] = {}
    for row in rows:
        report = judge(row)
        reports.append(report)
        counted = groups.setdefault(row.get("group", ""), [0, 0])
        counted[0] += report["agrees"]
        counted[1] += 1
        sys.stdout.write(json.dumps(report) + "\n")
    wrong = sum(not report["agrees"] for report in reports)
    sets = sum(len(report["predicted"]) > 1 for report in reports)
    summary: dict[str, Any] = {
        "rows": len(reports),
        "agree": len(reports) - wrong,
        "disagree": wrong,
        "sets": sets,
        "groups": {name: f"{agree} of {all_}" for name, (agree, all_) in sorted(groups.items()) if name},
    }
    sys.stdout.write(json.dumps(summary) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Real boots, recorded as rows that ``python -m tests.truth`` judges: scripts/record-boots.py runs them."""

from __future__ import annotations

from typing import Any

from tests.recording.chains import chains
from tests.recording.ends import ends
from tests.recording.networks import networks


def scenarios() -> list[dict[str, Any]]:
    """Every scenario that is recorded, with its id; those of BIOS machines first, which are quicker."""
    found = [*chains(), *ends(), *networks()]
    return sorted(found, key=lambda scenario: scenario["client"]["fw"] != "ipxe")

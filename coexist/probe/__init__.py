"""Ask the wire as a PXE client and hold what was seen against the plan."""

"""Ask the wire as clients would, read captures, and hold what was seen against the inventory."""

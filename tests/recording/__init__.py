"""Real boots, recorded as rows that ``python -m tests.truth`` judges: scripts/record-boots.py runs them."""

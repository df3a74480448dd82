"""Configuration to the servers over SSH: planned, applied in order, verified, undone."""

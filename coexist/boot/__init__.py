"""What a boot service answers and when, and what firmware makes of it: pure functions."""

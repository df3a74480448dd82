"""Findings: the space of all clients, the race for each class of them, and the rules."""

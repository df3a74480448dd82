"""How the firmware of booting clients behaves: one module a family."""

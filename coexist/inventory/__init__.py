"""What the administrator declares, read with positions and resolved."""

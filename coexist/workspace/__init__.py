"""What lies beside an inventory: its versions in git."""

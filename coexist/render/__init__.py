"""From an inventory to the configuration each server reads."""
